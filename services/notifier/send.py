"""send: enqueues mail and webhook in the transaction of the inbox item, and cancels what is withdrawn."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from schemas.events import Change, EpisodeChanged
from services.notifier.decision import OUTGOING, Channel
from services.notifier.delivery import Purpose, State, Why, delivery_id, predecessors
from services.notifier.directory import Connection
from services.notifier.notice import Notice
from services.runtime.transaction import Transaction

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
        enqueued: list[UUID] = []
        for notice in notices:
            change = notice.change
            if change is None:
                continue
            if change.change is Change.WITHDRAWN:
                await _cancel(tx, change)
            enqueued += [await _enqueue(tx, change, one) for one in OUTGOING if notice.tells(one)]
        if enqueued:
            await self._defer(tx.conn, enqueued)
        return notices


async def _enqueue(tx: Transaction, change: EpisodeChanged, channel: Channel) -> UUID:
    stable = delivery_id(change.episode_id, change.revision, channel)
    await tx.conn.execute(
        "INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, episode_id,"
        " revision, change, channel, state, created_at, give_up_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            stable,
            Purpose.EPISODE.value,
            change.practice_id,
            change.therapist_id,
            change.episode_id,
            change.revision,
            change.change.value,
            channel.value,
            State.PENDING.value,
            tx.now,
            tx.now + GIVE_UP_AFTER,
        ),
    )
    return stable


async def _cancel(tx: Transaction, change: EpisodeChanged) -> None:
    # The job stays in the queue, finds the delivery cancelled, and sends nothing.
    await tx.conn.execute(
        "UPDATE notifier.delivery SET state = %s, reason = %s, finished_at = %s, next_try_at = NULL"
        " WHERE episode_id = %s AND state = ANY(%s)",
        (
            State.CANCELLED.value,
            Why.WITHDRAWN.value,
            tx.now,
            change.episode_id,
            predecessors(State.CANCELLED),
        ),
    )
