"""Counts messages that were given up, and has them tried again from the beginning."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from services.notifier.channels.channel import Purpose
from services.notifier.deliveries.mail_plans import GIVE_UP_AFTER
from services.notifier.directory.store import Connection
from services.notifier.domain.delivery import DeliveryState, predecessors
from services.notifier.domain.inbox_item import OPEN

_WHICH = """
FROM notifier.delivery d JOIN notifier.item i USING (practice_id, episode_id)
WHERE d.purpose = %(purpose)s AND d.state = ANY(%(failed)s) AND d.finished_at >= %(since)s
    AND (%(practice)s::text IS NULL OR d.practice_id = %(practice)s)
    AND (%(reason)s::text IS NULL OR d.reason = %(reason)s)
    AND i.answer IS NULL AND i.state = ANY(%(open)s) AND i.told_revision = d.revision
"""


@dataclass(frozen=True, slots=True)
class FailedFilter:
    """Which failed messages are meant; None means all.

    Never meant: links that were asked for, which have expired, and what was answered, closed or told anew.
    """

    since: datetime
    practice: str | None = None
    reason: str | None = None

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of the queries."""
        return {
            "purpose": Purpose.EPISODE.value,
            "failed": predecessors(DeliveryState.PENDING),
            "since": self.since,
            "practice": self.practice,
            "reason": self.reason,
            "open": [change.value for change in OPEN],
        }


async def count_failed(conn: Connection, which: FailedFilter) -> dict[tuple[str, str], int]:
    """Count failed messages by channel and reason."""
    rows = await conn.execute(
        f"SELECT d.channel, d.reason, count(*) {_WHICH} GROUP BY 1, 2 ORDER BY 1, 2",
        which.parameters,
    )
    return {(channel, reason): number for channel, reason, number in await rows.fetchall()}


async def retry_failed(conn: Connection, which: FailedFilter, now: datetime) -> dict[tuple[str, str], int]:
    """Make failed messages due now, with all attempts before them; the sweep queues them within seconds.

    Returns how many, by channel and the reason for which they had failed.
    """
    rows = await conn.execute(
        f"""
        WITH failed AS (
            SELECT d.practice_id, d.delivery_id, d.channel, d.reason {_WHICH}
            ORDER BY d.delivery_id FOR UPDATE OF d
        )
        UPDATE notifier.delivery d SET state = %(pending)s, reason = NULL, attempts = 0, next_try_at = NULL,
            finished_at = NULL, tried_at = NULL, due_at = %(now)s, give_up_at = %(give_up_at)s
        FROM failed WHERE d.practice_id = failed.practice_id AND d.delivery_id = failed.delivery_id
        RETURNING failed.channel, failed.reason
        """,
        {
            **which.parameters,
            "pending": DeliveryState.PENDING.value,
            "now": now,
            "give_up_at": now + GIVE_UP_AFTER,
        },
    )
    return dict(sorted(Counter(await rows.fetchall()).items()))
