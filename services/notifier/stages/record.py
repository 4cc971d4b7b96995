"""record: stores every decision, to notify or to hold back, as a row with its reason."""

from collections.abc import Sequence
from datetime import timedelta

from schemas.events import HeartbeatSent
from services.notifier.domain.decision import DecisionReason, PlannedNotification, outcome_of
from services.runtime.outbox.transaction import Transaction

_AHEAD = timedelta(minutes=5)
"""How far clocks may differ: a minute further ahead is a clock's error, and an earlier one replaces it."""


async def record(tx: Transaction, notifications: list[PlannedNotification]) -> list[PlannedNotification]:
    """Write the decisions of the batch; this is the last stage."""
    rows = [
        (
            change.practice_id,
            change.therapist_id,
            change.session_id,
            change.episode_id,
            change.revision,
            change.change.value,
            channel.value,
            outcome_of(reason).value,
            reason.value,
            change.accepted_at,
            tx.now,
        )
        for notification in notifications
        if (change := notification.change) is not None
        for channel, reason in notification.plan.items()
    ]
    if rows:
        async with tx.conn.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO notifier.decision (practice_id, therapist_id, session_id, episode_id, revision,"
                " change, channel, outcome, reason, accepted_at, decided_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                rows,
            )
    await _record_heartbeats(tx, [one.event for one in notifications if isinstance(one.event, HeartbeatSent)])
    return notifications


async def _record_heartbeats(tx: Transaction, heartbeats: Sequence[HeartbeatSent]) -> None:
    """Keep one row per partition: the newest heartbeat that has passed every stage."""
    for heartbeat in sorted(heartbeats, key=lambda one: (one.partition, one.minute)):
        await tx.conn.execute(
            "INSERT INTO notifier.heartbeat (partition, minute, reason, risk, expected_risk, recorded_at)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (partition) DO UPDATE SET minute = excluded.minute,"
            " risk = excluded.risk, expected_risk = excluded.expected_risk,"
            " recorded_at = excluded.recorded_at WHERE heartbeat.minute < excluded.minute"
            " OR (heartbeat.minute > %s AND heartbeat.minute <> excluded.minute)",
            (
                heartbeat.partition,
                heartbeat.minute,
                DecisionReason.HEARTBEAT.value,
                heartbeat.risk,
                heartbeat.expected_risk,
                tx.now,
                tx.now + _AHEAD,
            ),
        )
