"""Tells a practice's contact once when its feed of ratings has fallen silent."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from psycopg_pool import AsyncConnectionPool

from services.notifier.channels.channel import (
    DeliveryReason,
    Message,
    NotWorthRetrying,
    OutgoingChannel,
    Purpose,
    Recipient,
    SendResult,
    Sent,
)
from services.notifier.directory.store import Connection, PracticeOptions, find_practices
from services.notifier.domain.decision import DecisionOutcome
from services.notifier.domain.delivery import DeliveryState
from services.notifier.domain.feed import DAYS_KEPT, FeedReason, find_silence
from services.runtime.process.log import get_logger

LOOK_EVERY = timedelta(hours=1)
FIRST_AFTER = timedelta(minutes=10)
"""A process that has just started first reads what waited for it."""
MOST_TRIES = 72
"""Once an hour for three days, counted in attempts: a clock may jump ahead by days."""
HEARD_WITHIN = timedelta(minutes=10)
"""Nothing is decided while a heartbeat is older than this: then the silence may be our own."""
_NAMESPACE = UUID("6a0a1a52-9d0c-5f0b-8d6e-0d2f6a7c1e55")

_DAYS = "SELECT practice_id, array_agg(day) FROM notifier.feed_day GROUP BY practice_id"
_PRUNE = """
DELETE FROM notifier.feed_day f USING (
    SELECT practice_id, day, row_number() OVER (PARTITION BY practice_id ORDER BY day DESC) AS place
    FROM notifier.feed_day
) ranked WHERE ranked.place > %s AND f.practice_id = ranked.practice_id AND f.day = ranked.day
"""
_END = """
UPDATE notifier.feed_silence s SET ended_on = back.day,
    state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END,
    finished_at = CASE WHEN state = 'pending' THEN %s ELSE finished_at END
FROM (SELECT practice_id, max(day) AS day FROM notifier.feed_day GROUP BY practice_id) back
WHERE s.ended_on IS NULL AND back.practice_id = s.practice_id AND back.day > s.last_day
"""
_DECIDE = """
INSERT INTO notifier.feed_silence (practice_id, last_day, usual_gap_days, decided_at, outcome, reason, state)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
# The claim is committed before the mail is sent: another process does not send it too.
_CLAIM = """
UPDATE notifier.feed_silence SET tried_at = %s, attempts = attempts + 1
WHERE state = 'pending' AND (tried_at IS NULL OR tried_at <= %s)
RETURNING practice_id, last_day, decided_at, attempts
"""
_WRITE = """
UPDATE notifier.feed_silence SET state = %s, state_reason = %s, finished_at = %s
WHERE practice_id = %s AND last_day = %s AND state = 'pending'
"""


class _Notice(NamedTuple):
    practice: str
    last_day: date
    decided_at: datetime
    attempts: int
    """Including the one that is made now."""


class FeedWatch:
    """Looks at the feeds once an hour."""

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        email: OutgoingChannel,
        first_after: timedelta = FIRST_AFTER,
    ) -> None:
        self._pool = pool
        self._email = email
        self._first_after = first_after
        self._next_at: datetime | None = None

    async def look(self, now: datetime) -> None:
        """Decide about every silent feed, and send what is waiting, unless it was done within the hour."""
        if self._next_at is None:
            self._next_at = now + self._first_after
        if now < self._next_at:
            return
        async with self._pool.connection() as conn:
            if not await _is_heard(conn, now):
                return
            await _decide(conn, now)
            rows = await conn.execute(_CLAIM, (now, now - LOOK_EVERY))
            notices = [_Notice(*row) for row in await rows.fetchall()]
            practices = await find_practices(conn, [notice.practice for notice in notices])
        for notice in notices:
            practice = practices.get(notice.practice, PracticeOptions(notice.practice))
            await self._write(notice, await self._send(notice, practice, now), now)
        self._next_at = now + LOOK_EVERY

    async def _send(self, notice: _Notice, practice: PracticeOptions, now: datetime) -> SendResult:
        return await self._email.send(
            Message(
                # Stable, so that a second attempt has the same Message-ID.
                delivery_id=uuid5(_NAMESPACE, f"{notice.practice}/{notice.last_day}"),
                purpose=Purpose.FEED_SILENT,
                change=None,
                episode_id=None,
                created_at=notice.decided_at,
                attempted_at=now,
                recipient=Recipient(practice.contact_language, practice.contact),
                link="",
                practice_name=practice.display_name,
                silent_since=notice.last_day,
            )
        )

    async def _write(self, notice: _Notice, result: SendResult, now: datetime) -> None:
        match result:
            case Sent():
                state, reason = DeliveryState.SENT, None
            case NotWorthRetrying(reason=reason):
                state = DeliveryState.FAILED
            case _ if notice.attempts < MOST_TRIES:
                state, reason = DeliveryState.PENDING, result.reason
            case _:
                state, reason = DeliveryState.FAILED, DeliveryReason.TOO_LATE
        finished = None if state is DeliveryState.PENDING else now
        values = (state.value, reason and reason.value, finished, notice.practice, notice.last_day)
        async with self._pool.connection() as conn:
            await conn.execute(_WRITE, values)
        get_logger().info("feed-silence-told", state=state.value, reason=reason and reason.value)


async def _is_heard(conn: Connection, now: datetime) -> bool:
    """Return whether heartbeats pass through every partition: what is sent would arrive."""
    row = await (await conn.execute("SELECT min(minute) FROM notifier.heartbeat")).fetchone()
    return row is not None and row[0] is not None and now - row[0] <= HEARD_WITHIN


async def _decide(conn: Connection, now: datetime) -> None:
    await conn.execute(_PRUNE, (DAYS_KEPT,))
    await conn.execute(_END, (now,))
    feeds: Sequence[tuple[str, list[date]]] = await (await conn.execute(_DAYS)).fetchall()
    silent = {practice: find_silence(days, now.date()) for practice, days in feeds}
    practices = await find_practices(conn, [practice for practice, silence in silent.items() if silence])
    for practice, silence in sorted(silent.items()):
        if silence is None:
            continue
        told = practices.get(practice, PracticeOptions(practice)).contact is not None
        outcome, reason, state = (
            (DecisionOutcome.TOLD, FeedReason.FEED_SILENT, DeliveryState.PENDING.value)
            if told
            else (DecisionOutcome.SUPPRESSED, FeedReason.NO_CONTACT, None)
        )
        await conn.execute(
            _DECIDE,
            (
                practice,
                silence.last_day,
                silence.usual_gap_days,
                now,
                outcome.value,
                reason.value,
                state,
            ),
        )
