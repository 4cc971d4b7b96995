"""Publishes `EpisodeChanged` for each change of an episode."""

from collections.abc import Sequence

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import DyadId, EpisodeId, InstrumentId, SessionId, episode_event_id
from schemas.rating_order import SessionOrder
from services.detector.contracts import Changed, encode, envelope
from services.detector.domain.counts import Count
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.published_episode import PublishedSession, episode_changed, published_session
from services.detector.stream.batch import Batch, Tools
from services.runtime.kafka.record import Outgoing
from services.runtime.postgres.connect import Connection

TYPE = topics.EPISODE_CHANGED.name

_EARLIER = """
SELECT a.dyad_id, a.session_at, a.session_id, a.instrument, a.flagged, a.numbers, r.next_session_at,
    r.accepted_at
FROM detector.assessment a CROSS JOIN LATERAL (
    SELECT * FROM detector.rating v WHERE v.practice_id = a.practice_id AND v.rating_id = a.rating_id OFFSET 0
) r
WHERE a.dyad_id = ANY(%b::uuid[]) AND a.risk IS NOT NULL
"""


async def publish_episodes(batch: Batch, tools: Tools) -> None:
    """Publish what changed about the episodes of this batch's dyads."""
    changed = [dyad for dyad in batch.dyads.values() if dyad.episode_changes]
    earlier = await _earlier_sessions(batch.tx.conn, [dyad.id for dyad in changed if not dyad.refold])
    for dyad in changed:
        history = _history(dyad, earlier.get(dyad.id, ()))
        for told in dyad.episode_changes:
            event = episode_changed(dyad, told, history, batch.tx.now, tools.catalogue)
            dyad.episode_events.append(event)
            _publish(batch, dyad, event)


async def _earlier_sessions(conn: Connection, ids: Sequence[DyadId]) -> dict[DyadId, list[PublishedSession]]:
    """Read the sessions that were published in earlier batches."""
    earlier: dict[DyadId, list[PublishedSession]] = {id_: [] for id_ in ids}
    if ids:
        rows = await (await conn.execute(_EARLIER, (ids,), binary=True)).fetchall()
        for id_, at, session, instrument, flagged, numbers, next_at, accepted_at in rows:
            order = SessionOrder(at, SessionId(session), InstrumentId(instrument))
            earlier[DyadId(id_)].append(PublishedSession(order, flagged, numbers, next_at, accepted_at))
    return earlier


def _history(dyad: DyadWork, earlier: Sequence[PublishedSession]) -> list[PublishedSession]:
    """Return the dyad's published sessions in order: those of earlier batches, and those of this one."""
    sessions = [published_session(session) for session in dyad.sessions]
    return sorted([*earlier, *sessions], key=lambda session: session.order)


def _publish(batch: Batch, dyad: DyadWork, event: Changed) -> None:
    event_id = episode_event_id(EpisodeId(event.episode_id), event.revision)
    value = envelope(TYPE, event_id, batch.tx.now, dyad.key, encode(event))
    batch.tx.publish(Outgoing(topics.EPISODE_CHANGED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[Count.TOLD if event.kept_back is None else event.kept_back] += 1
    batch.counts[event.change] += 1
