"""Stores what practices state about clients' next sessions, and finds the next session of a client."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.events import EpisodeChanged
from services.notifier.directory.store import Connection
from services.notifier.domain.next_session import NextSession, StatedSession, determine_next_session

_KEYS = "unnest(%s::text[], %s::text[], %s::text[]) AS wanted (practice_id, therapist_id, client_id)"


async def put_next_session(
    conn: Connection, key: tuple[str, str, str], at: datetime | None, received_at: datetime
) -> None:
    """Store a statement for (practice id, therapist id, client id), unless a later one was received."""
    await conn.execute(
        "INSERT INTO notifier.next_session (practice_id, therapist_id, client_id, next_at, received_at)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (practice_id, therapist_id, client_id) DO UPDATE"
        " SET next_at = excluded.next_at, received_at = excluded.received_at"
        " WHERE next_session.received_at <= excluded.received_at",
        (*key, at, received_at),
    )


async def next_session(
    conn: Connection, practice: str, therapist: str, client: str, change: EpisodeChanged
) -> NextSession | None:
    """Return a client's next session after those of `change`, the newest change that is known."""
    (found,) = await next_sessions(conn, [((practice, therapist, client), change)])
    return found


async def next_sessions(
    conn: Connection, wanted: Sequence[tuple[tuple[str, str, str], EpisodeChanged]]
) -> list[NextSession | None]:
    """Return the next session for each ((practice id, therapist id, client id), newest change)."""
    keys = sorted({key for key, _ in wanted})
    rows = await conn.execute(
        "SELECT practice_id, therapist_id, client_id, coalesce(t.time_zone, 'UTC'), s.next_at, s.received_at"
        f" FROM {_KEYS} LEFT JOIN notifier.next_session s USING (practice_id, therapist_id, client_id)"
        " LEFT JOIN notifier.therapist t USING (practice_id, therapist_id)",
        [list(column) for column in zip(*keys, strict=True)] if keys else [[], [], []],
    )
    found: dict[tuple[str, str, str], tuple[ZoneInfo, StatedSession | None]] = {}
    for practice, therapist, client, zone, at, received_at in await rows.fetchall():
        stated = None if received_at is None else StatedSession(at, received_at)
        found[practice, therapist, client] = ZoneInfo(zone), stated
    return [determine_next_session(change, found[key][1], found[key][0]) for key, change in wanted]
