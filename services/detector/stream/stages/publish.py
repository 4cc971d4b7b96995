"""Publishes `AllianceAssessed` where a session's numbers changed, and `EpisodeChanged` for each change."""

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import (
    DyadId,
    EpisodeId,
    InstrumentId,
    RatingIdentity,
    SessionId,
    assessment_id,
    episode_event_id,
)
from schemas.instruments.catalogue import Catalogue
from schemas.rating_order import SessionOrder, identity
from services.detector.contracts import (
    Assessed,
    Changed,
    Numbers,
    StoredMeasure,
    encode,
    envelope,
    pack,
    unpack_numbers,
)
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.outcomes import Count
from services.detector.published.events import (
    PublishedSession,
    components_in_units,
    episode_changed,
    numbers_without_risk,
    pack_numbers,
    published_assessment,
    published_session,
    rated_numbers,
)
from services.detector.published.measures import measure_numbers, published_measure
from services.detector.storage.practices import practice_keys
from services.detector.storage.stored_numbers import InColumns, published_numbers
from services.detector.stream.batch import Batch, Tools
from services.runtime.kafka.record import Outgoing
from services.runtime.postgres.connect import Connection

_EARLIER = """
SELECT a.dyad_id, a.session_at, a.session_id, a.instrument, a.flagged, a.numbers, r.next_session_at,
    r.accepted_at, a.rating_id, a.model_version, a.risk, a.threshold
FROM unnest(%b::text[], %b::uuid[]) AS wanted (practice_id, dyad_id)
JOIN detector.assessment a USING (practice_id, dyad_id) CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v WHERE v.practice_id = a.practice_id AND v.rating_id = a.rating_id OFFSET 0
) r
WHERE a.risk IS NOT NULL
"""


async def publish_assessments(batch: Batch, tools: Tools) -> None:
    """Publish every assessment and every measure that is new or differs from what was published of it."""
    await batch.compute(partial(_publish_assessments, catalogue=tools.catalogue))


def _publish_assessments(batch: Batch, catalogue: Catalogue) -> None:
    rated = [
        (dyad, session, session.assessment, session.threshold)
        for dyad in batch.dyads.values()
        for session in dyad.sessions
        if session.assessment is not None and session.threshold is not None
    ]
    units = components_in_units(
        [(found.components, catalogue.get(s.version.rating.instrument)) for _, s, found, _ in rated]
    )
    for (dyad, session, assessment, threshold), components in zip(rated, units, strict=True):
        model = dyad.practice.model.version
        numbers = rated_numbers(
            session.version, assessment, threshold, components, model, statistics=session.statistics
        )
        _publish_assessment(batch, dyad, session, numbers)
    for dyad in batch.dyads.values():
        for session in dyad.without_form:
            if session.version.is_measure:
                _publish_measure(batch, dyad, session, catalogue)
            else:
                _publish_assessment(
                    batch, dyad, session, numbers_without_risk(session.version, dyad.practice)
                )


def _publish_assessment(batch: Batch, dyad: DyadWork, session: SessionWork, numbers: Numbers) -> None:
    def data(of_rating: RatingIdentity, revision: int) -> Assessed:
        return published_assessment(dyad.who, of_rating, revision, numbers)

    session.unpacked_numbers = numbers
    _publish_session(batch, dyad, session, pack_numbers(numbers), kind="alliance.assessed.v1", data=data)


def _publish_measure(batch: Batch, dyad: DyadWork, session: SessionWork, catalogue: Catalogue) -> None:
    numbers = measure_numbers(session.version, catalogue)

    def data(of_rating: RatingIdentity, revision: int) -> StoredMeasure:
        return published_measure(dyad.who, of_rating, revision, numbers)

    _publish_session(batch, dyad, session, pack(numbers), kind="alliance.measure-stored.v1", data=data)


def _publish_session(
    batch: Batch,
    dyad: DyadWork,
    session: SessionWork,
    packed: bytes,
    *,
    kind: str,
    data: Callable[[RatingIdentity, int], Assessed | StoredMeasure],
) -> None:
    """Publish what `data` makes of a rating and its new revision, if its numbers (`packed`) are new."""
    if packed == session.numbers:
        return
    session.numbers = packed
    session.is_new = session.revision == 0
    session.revision = max(session.revision, dyad.revision_floor) + 1
    at = dyad.caused_at or batch.tx.now
    # The hash covers all that varies, so equal ids mean equal bytes, also after a restored backup.
    hashed = sha256(packed + pack(at)).hexdigest()
    of_rating = identity(dyad.who.practice_id, session.version.rating)
    event_id = assessment_id(dyad.id, of_rating, session.revision, hashed)
    value = envelope(kind, event_id, at, dyad.key, data(of_rating, session.revision))
    batch.tx.publish(Outgoing(topics.ASSESSED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[Count.PUBLISHED] += not session.version.is_measure


async def publish_episodes(batch: Batch, tools: Tools) -> None:
    """Publish what changed about the episodes of this batch's dyads."""
    changed = [dyad for dyad in batch.dyads.values() if dyad.episode_changes]
    earlier = await _earlier_sessions(batch.tx.conn, [dyad for dyad in changed if not dyad.refold])
    for dyad in changed:
        history = _history(dyad, earlier.get(dyad.id, ()))
        for told in dyad.episode_changes:
            event = episode_changed(dyad, told, history, batch.tx.now, tools.catalogue)
            dyad.episode_events.append(event)
            _publish_change(batch, dyad, event)


async def _earlier_sessions(
    conn: Connection, dyads: Sequence[DyadWork]
) -> dict[DyadId, list[PublishedSession]]:
    """Read the sessions that were published in earlier batches."""
    earlier: dict[DyadId, list[PublishedSession]] = {dyad.id: [] for dyad in dyads}
    if dyads:
        rows = await (await conn.execute(_EARLIER, practice_keys(dyads), binary=True)).fetchall()
        for id_, at, session, instrument, flagged, kept, next_at, accepted_at, rating, *held in rows:
            order = SessionOrder(at, SessionId(session), InstrumentId(instrument))
            numbers = published_numbers(kept, InColumns(rating, at, *held))
            earlier[DyadId(id_)].append(
                PublishedSession(order, flagged, unpack_numbers(numbers), next_at, accepted_at)
            )
    return earlier


def _history(dyad: DyadWork, earlier: Sequence[PublishedSession]) -> list[PublishedSession]:
    """Return the dyad's published sessions in order: those of earlier batches, and those of this one."""
    sessions = [published_session(session) for session in dyad.sessions]
    return sorted([*earlier, *sessions], key=lambda session: session.order)


def _publish_change(batch: Batch, dyad: DyadWork, event: Changed) -> None:
    event_id = episode_event_id(EpisodeId(event.episode_id), event.revision)
    value = envelope(topics.EPISODE_CHANGED.name, event_id, batch.tx.now, dyad.key, encode(event))
    batch.tx.publish(Outgoing(topics.EPISODE_CHANGED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[Count.TOLD if event.kept_back is None else event.kept_back] += 1
    batch.counts[event.change] += 1
