"""send: enqueues mail and webhook in the transaction of the inbox item, and cancels what is withdrawn."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from schemas.events import Change, EpisodeChanged
from services.notifier.channels.channel import DeliveryReason, Purpose
from services.notifier.channels.registry import OUTGOING, Channel
from services.notifier.directory.store import Connection
from services.notifier.domain.delivery import State, delivery_id, predecessors
from services.notifier.domain.notice import Notice
from services.runtime.outbox.transaction import Transaction

Defer = Callable[[Connection, Sequence[UUID]], Awaitable[None]]
"""Puts a job for each delivery into the queue, in the transaction that the connection is in."""

GIVE_UP_AFTER = timedelta(days=3)
"""How long a message is worth sending: sessions are weekly, and after three days the next one is near."""


class Send:
    """The stage that hands over to the channels which leave the house."""

    def __init__(self, defer: Defer) -> None:
        self._defer = defer

    async def __call__(self, tx: Transaction, notices: list[Notice]) -> list[Notice]:
        """Enqueue what is to be sent; notices go on unchanged."""
        wanted: list[tuple[EpisodeChanged, Channel]] = []
        for notice in notices:
            change = notice.change
            if change is None:
                continue
            if change.change is Change.WITHDRAWN:
                # What came before it in this batch is cancelled like what came long before.
                await self._enqueue(tx, wanted)
                wanted = []
                await _cancel(tx, change)
            wanted += [(change, channel) for channel in OUTGOING if notice.tells(channel)]
        await self._enqueue(tx, wanted)
        return notices

    async def _enqueue(self, tx: Transaction, wanted: Sequence[tuple[EpisodeChanged, Channel]]) -> None:
        if not wanted:
            return
        rows = [_row(change, channel, tx.now) for change, channel in wanted]
        async with tx.conn.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, episode_id,"
                " revision, change, channel, state, created_at, give_up_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                rows,
            )
        await self._defer(tx.conn, [delivery_id(one.episode_id, one.revision, to) for one, to in wanted])


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
        State.PENDING.value,
        now,
        now + GIVE_UP_AFTER,
    )


async def _cancel(tx: Transaction, change: EpisodeChanged) -> None:
    # The job stays in the queue, finds the delivery cancelled, and sends nothing.
    await tx.conn.execute(
        "UPDATE notifier.delivery SET state = %s, reason = %s, finished_at = %s, next_try_at = NULL"
        " WHERE episode_id = %s AND state = ANY(%s)",
        (
            State.CANCELLED.value,
            DeliveryReason.WITHDRAWN.value,
            tx.now,
            change.episode_id,
            predecessors(State.CANCELLED),
        ),
    )
