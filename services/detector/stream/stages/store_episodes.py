"""Stores the rows that lists of episodes show, and every change that was published."""

from collections.abc import Sequence
from datetime import datetime

from services.detector.contracts import Changed, encode
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.episode_changes import episode_status
from services.detector.stream.batch import Batch, Tools
from services.runtime.postgres.connect import Connection

_EPISODES = """
INSERT INTO detector.episode AS e (episode_id, dyad_id, practice_id, therapist_id, client_id, case_id,
    revision, state, opened_session, opened_at, closed_at, kept_back)
SELECT * FROM unnest(%b::uuid[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::int[],
    %b::text[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::text[])
ON CONFLICT (episode_id) DO UPDATE SET revision = EXCLUDED.revision, state = EXCLUDED.state,
    opened_session = EXCLUDED.opened_session, opened_at = EXCLUDED.opened_at,
    closed_at = EXCLUDED.closed_at, kept_back = EXCLUDED.kept_back,
    xid = pg_current_xact_id(), seq = DEFAULT
"""
_CHANGES = """
INSERT INTO detector.episode_change (episode_id, revision, practice_id, change, kept_back, session_id,
    changed_at, data)
SELECT id, revision, practice_id, change, kept_back, session_id, %b, data::jsonb
FROM unnest(%b::uuid[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS new (id, revision, practice_id, change, kept_back, session_id, data)
"""


async def store_episodes(batch: Batch, _tools: Tools) -> None:
    """Write what changed about the episodes of this batch's dyads."""
    changed = [dyad for dyad in batch.dyads.values() if dyad.changed_episodes]
    if changed:
        await _write_episodes(batch.tx.conn, changed)
    events = [event for dyad in changed for event in dyad.episode_events]
    if events:
        await _write_changes(batch.tx.conn, events, batch.tx.now)


async def _write_episodes(conn: Connection, dyads: Sequence[DyadWork]) -> None:
    rows = [(dyad, one) for dyad in dyads for one in dyad.changed_episodes]
    await conn.execute(
        _EPISODES,
        (
            [one.episode_id for _, one in rows],
            [dyad.id for dyad, _ in rows],
            [dyad.who.practice_id for dyad, _ in rows],
            [dyad.who.therapist_id for dyad, _ in rows],
            [dyad.who.client_id for dyad, _ in rows],
            [dyad.who.case_id for dyad, _ in rows],
            [one.revision for _, one in rows],
            [episode_status(one, dyad.decision.answers) for dyad, one in rows],
            [one.episode.opened.session_id for _, one in rows],
            [one.episode.opened.session_at for _, one in rows],
            [one.episode.closed.session_at if one.episode.closed else None for _, one in rows],
            [one.kept_back.value if one.kept_back and not one.notified else None for _, one in rows],
        ),
    )


async def _write_changes(conn: Connection, events: Sequence[Changed], changed_at: datetime) -> None:
    await conn.execute(
        _CHANGES,
        (
            changed_at,
            [event.episode_id for event in events],
            [event.revision for event in events],
            [event.practice_id for event in events],
            [event.change.value for event in events],
            [event.kept_back.value if event.kept_back else None for event in events],
            [event.session_id for event in events],
            [encode(event).decode() for event in events],
        ),
    )
