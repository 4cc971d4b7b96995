"""send: queues deliveries in the transaction of the inbox item, and cancels those of withdrawn episodes."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from schemas.events import Change, EpisodeChanged
from services.notifier.channels.channel import DeliveryReason, Purpose
from services.notifier.channels.registry import OUTGOING, Channel
from services.notifier.directory.store import Connection
from services.notifier.domain.delivery import DeliveryState, delivery_id, predecessors
from services.notifier.domain.planned_notification import PlannedNotification
from services.runtime.outbox.transaction import Transaction

Defer = Callable[[Connection, Sequence[UUID]], Awaitable[None]]
"""Queues a job for each delivery, in the connection's open transaction."""

GIVE_UP_AFTER = timedelta(days=3)
"""How long delivery is attempted: sessions are weekly, so that after three days the next one is near."""


class Send:
    """The stage that queues a delivery for each outgoing channel."""

    def __init__(self, defer: Defer) -> None:
        self._defer = defer

    async def __call__(
        self, tx: Transaction, notifications: list[PlannedNotification]
    ) -> list[PlannedNotification]:
        """Queue what goes out; the notifications are returned unchanged."""
        outgoing: list[tuple[EpisodeChanged, Channel]] = []
        for notification in notifications:
            change = notification.change
            if change is None:
                continue
            if change.change is Change.WITHDRAWN:
                # Deliveries that this very batch has queued are cancelled like those of earlier batches.
                await self._enqueue(tx, outgoing)
                outgoing = []
                await _cancel(tx, change)
            outgoing += [(change, channel) for channel in OUTGOING if notification.goes_to(channel)]
        await self._enqueue(tx, outgoing)
        return notifications

    async def _enqueue(self, tx: Transaction, outgoing: Sequence[tuple[EpisodeChanged, Channel]]) -> None:
        if not outgoing:
            return
        rows = [_row(change, channel, tx.now) for change, channel in outgoing]
        async with tx.conn.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, episode_id,"
                " revision, change, channel, state, created_at, give_up_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                rows,
            )
        keys = [(change.episode_id, change.revision, channel) for change, channel in outgoing]
        await self._defer(tx.conn, [delivery_id(*key) for key in keys])


def _row(change: EpisodeChanged, channel: Channel, now: datetime) -> tuple[object, ...]:
    return (
        delivery_id(change.episode_id, change.revision, channel),
        Purpose.EPISODE.value,
        change.practice_id,
        change.therapist_id,
        change.episode_id,
        change.revision,
        change.change.value,
        channel.value,
        DeliveryState.PENDING.value,
        now,
        now + GIVE_UP_AFTER,
    )


async def _cancel(tx: Transaction, change: EpisodeChanged) -> None:
    # The job stays in the queue; it finds the delivery cancelled and sends nothing.
    await tx.conn.execute(
        "UPDATE notifier.delivery SET state = %s, reason = %s, finished_at = %s, next_try_at = NULL"
        " WHERE episode_id = %s AND purpose = %s AND state = ANY(%s)",
        (
            DeliveryState.CANCELLED.value,
            DeliveryReason.WITHDRAWN.value,
            tx.now,
            change.episode_id,
            Purpose.EPISODE.value,
            predecessors(DeliveryState.CANCELLED),
        ),
    )
