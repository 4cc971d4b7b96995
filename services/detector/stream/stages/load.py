"""Loads the sessions that a changed dyad has to fold: the new ones, or its whole history."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.ids import DyadId
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.form import form_of, instrument_of_stored
from services.detector.domain.outcomes import Count
from services.detector.domain.session_risk import SessionRisk, stored_session_risk
from services.detector.storage.practices import practice_keys
from services.detector.storage.ratings import COLUMNS, version_of
from services.detector.storage.stored_numbers import InColumns, published_numbers
from services.detector.stream.batch import SESSIONS_ON_THE_LOOP, Batch, Tools
from services.detector.stream.stages.restored import (
    compare_history,
    take_up_published,
    withdraw_vanished,
)
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import TooMuch

_HISTORY = f"""
SELECT {COLUMNS}, a.revision, a.numbers, a.risk, a.threshold, a.level, a.may_flag, a.rating_id, a.session_at,
    a.model_version
FROM unnest(%b::text[], %b::uuid[]) AS wanted (practice_id, dyad_id)
JOIN detector.dyad d USING (practice_id, dyad_id) CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v
    WHERE v.practice_id = d.practice_id AND v.client_id = d.client_id AND v.dyad_id = d.dyad_id AND v.current
    OFFSET 0
) r LEFT JOIN detector.assessment a
    ON a.practice_id = r.practice_id AND a.dyad_id = r.dyad_id AND a.session_id = r.session_id
    AND a.instrument = r.instrument
"""
_ASSESSMENT_COLUMNS = 9
MOST_SESSIONS = 10_000
"""Sessions of histories in one transaction: a second or two of work, far below any deadline."""


async def load(batch: Batch, tools: Tools) -> None:
    """Load what each changed dyad has to fold: new sessions after its snapshot, or its whole history.

    Raises:
        TooMuch: several dyads have more than `MOST_SESSIONS` together, so that the batch is better halved.
    """
    is_restored = any(dyad.is_restored for dyad in batch.dyads.values())
    if is_restored:
        await take_up_published(batch)
    refolded: dict[DyadId, DyadWork] = {}
    for dyad in batch.dyads.values():
        has_older = dyad.history_revision > len(dyad.touched)
        dyad.refold |= bool(dyad.touched) and dyad.snapshot is None and has_older
        if dyad.refold:
            batch.counts[Count.REFOLDED] += 1
            dyad.snapshot = None
            refolded[dyad.id] = dyad
        else:
            dyad.add_touched()
    # Every insertion raised the revision, so a history has at most as many sessions.
    most = sum(dyad.history_revision for dyad in refolded.values())
    if most > MOST_SESSIONS and len(refolded) > 1 and batch.records > 1:
        raise TooMuch(f"up to {most} sessions of {len(refolded)} clients are to be assessed again")
    if refolded:
        await _read_histories(batch.tx.conn, refolded, tools.catalogue)
    for dyad in batch.dyads.values():
        dyad.sort_sessions()
    if is_restored:
        withdraw_vanished(batch)


async def _read_histories(conn: Connection, dyads: Mapping[DyadId, DyadWork], catalogue: Catalogue) -> None:
    rows = await (await conn.execute(_HISTORY, practice_keys(dyads.values()), binary=True)).fetchall()
    if len(rows) > SESSIONS_ON_THE_LOOP:
        await asyncio.to_thread(_add_history, rows, dyads, catalogue)
    else:
        _add_history(rows, dyads, catalogue)


def _add_history(
    rows: Sequence[tuple[Any, ...]], dyads: Mapping[DyadId, DyadWork], catalogue: Catalogue
) -> None:
    for row in rows:
        version = version_of(row[:-_ASSESSMENT_COLUMNS])
        dyad = dyads[version.dyad_id]
        if version.has_form:
            instrument = instrument_of_stored(version.rating.instrument, catalogue)
            version.form = form_of(version.rating, instrument)
        session = SessionWork(version, version.form)
        _take_stored(session, row[-_ASSESSMENT_COLUMNS:], catalogue)
        if dyad.changed_from is not None and version.order >= dyad.changed_from:
            session.stored = None
        dyad.add_session(session)
    for dyad in dyads.values():
        if dyad.is_restored:
            compare_history(dyad)


def _take_stored(session: SessionWork, columns: Sequence[Any], catalogue: Catalogue) -> None:
    revision, kept, risk, threshold, level, flaggable, rating, at, model = columns
    if isinstance(revision, int) and isinstance(kept, bytes):
        session.revision = revision
        session.numbers = published_numbers(kept, InColumns(rating, at, model, risk, threshold))
    if isinstance(risk, float) and isinstance(threshold, float):
        known_level = level if isinstance(level, float) else None
        known = SessionRisk(session.version.order, risk, threshold, bool(flaggable), known_level)
        instrument = instrument_of_stored(session.version.rating.instrument, catalogue)
        session.stored = stored_session_risk(known, session.numbers, instrument)
