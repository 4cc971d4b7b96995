"""Dyads whose ratings changed in, the sessions to fold out: the new ones, or the whole history."""

from collections.abc import Mapping, Sequence

from schemas.events import Status
from schemas.ids import DyadId
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.episodes import SessionRisk
from services.detector.domain.form import Form, form_of
from services.detector.metrics import REFOLDED
from services.detector.storage.practices import Connection
from services.detector.storage.ratings import COLUMNS, version_of
from services.detector.stream.batch import Batch, DyadWork, Session, Tools, Version
from services.runtime.postgres.arrays import uuids

_HISTORY = f"""
SELECT {COLUMNS}, a.revision, a.numbers, a.risk, a.threshold, a.level, a.may_flag
FROM detector.dyad d CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v
    WHERE v.practice_id = d.practice_id AND v.client_id = d.client_id AND v.dyad_id = d.dyad_id AND v.current
    OFFSET 0
) r LEFT JOIN detector.assessment a
    ON a.dyad_id = r.dyad_id AND a.session_id = r.session_id AND a.instrument = r.instrument
WHERE d.dyad_id = ANY(%b::uuid[])
"""
_ASSESSMENT_COLUMNS = 6


async def load(batch: Batch, tools: Tools) -> None:
    """Find each changed dyad's sessions: after its snapshot when all new ones follow it, else all."""
    refolded: dict[DyadId, DyadWork] = {}
    for dyad in batch.dyads.values():
        grown = dyad.history_revision > len(dyad.touched)
        dyad.refold |= bool(dyad.touched) and dyad.snapshot is None and grown
        if dyad.refold:
            batch.counts[REFOLDED] += 1
            dyad.snapshot = None
            refolded[dyad.id] = dyad
        else:
            take_new(dyad, tools.catalogue)
    if refolded:
        await _read_histories(batch.tx.conn, refolded, tools.catalogue)
    for dyad in batch.dyads.values():
        in_order(dyad)


def take_new(dyad: DyadWork, catalogue: Catalogue) -> None:
    """The sessions of a dyad whose ratings are all new."""
    for version in dyad.touched.values():
        _enter(dyad, Session(version, _form(version, catalogue)))


def in_order(dyad: DyadWork) -> None:
    """Put a dyad's sessions in their order."""
    dyad.sessions.sort(key=lambda session: session.version.place)


async def _read_histories(conn: Connection, dyads: Mapping[DyadId, DyadWork], catalogue: Catalogue) -> None:
    rows = await (await conn.execute(_HISTORY, (uuids(dyads),), binary=True)).fetchall()
    for row in rows:
        version = version_of(row[:-_ASSESSMENT_COLUMNS])
        dyad = dyads[version.dyad_id]
        session = Session(version, _form(version, catalogue))
        _take_stored(session, row[-_ASSESSMENT_COLUMNS:])
        if dyad.changed_from is not None and version.place >= dyad.changed_from:
            session.stored = None
        _enter(dyad, session)


def _take_stored(session: Session, columns: Sequence[object]) -> None:
    revision, numbers, risk, threshold, level, flaggable = columns
    if isinstance(revision, int) and isinstance(numbers, bytes):
        session.revision, session.numbers = revision, numbers
    if isinstance(risk, float) and isinstance(threshold, float):
        known_level = level if isinstance(level, float) else None
        session.stored = SessionRisk(session.version.place, risk, threshold, bool(flaggable), known_level)


def _enter(dyad: DyadWork, session: Session) -> None:
    if session.version.rating.status is not Status.WITHDRAWN:
        dyad.sessions.append(session)
    elif session.version.key in dyad.touched:
        dyad.withdrawn.append(session)


def _form(version: Version, catalogue: Catalogue) -> Form | None:
    if version.form is not None or version.rating.status is Status.WITHDRAWN:
        return version.form
    return form_of(version.rating, catalogue.get(version.rating.instrument))
