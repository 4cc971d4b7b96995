"""send: queues deliveries in the transaction of the inbox item, plans mail, and cancels what is needless."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas.events import Change, EpisodeChanged
from services.notifier.channels.channel import OUTGOING, Channel, DeliveryReason, Purpose
from services.notifier.deliveries.mail_plans import (
    GIVE_UP_AFTER,
    is_immediate,
    lock_therapists,
    plan_mails,
)
from services.notifier.directory.store import Connection
from services.notifier.domain.decision import PlannedNotification
from services.notifier.domain.delivery import DeliveryState, delivery_id, predecessors
from services.notifier.domain.mail_plan import GATHER, DueReason
from services.runtime.outbox.transaction import Transaction

Defer = Callable[[Connection, Sequence[UUID]], Awaitable[None]]
"""Queues a job for each delivery, in the connection's open transaction."""

_CANCELLING = {
    Change.WITHDRAWN: DeliveryReason.WITHDRAWN,
    Change.ACKNOWLEDGED: DeliveryReason.ANSWERED,
    Change.REPAIRED: DeliveryReason.CLOSED,
    Change.SETTLED: DeliveryReason.CLOSED,
    Change.UNREPAIRED: DeliveryReason.CLOSED,
    Change.ENDED: DeliveryReason.CLOSED,
}
"""The changes after which earlier messages about the episode are needless, each with the reason."""


class Send:
    """The stage that queues a delivery for each outgoing channel."""

    def __init__(self, defer: Defer) -> None:
        self._defer = defer

    async def __call__(
        self, tx: Transaction, notifications: list[PlannedNotification]
    ) -> list[PlannedNotification]:
        """Queue what goes out; the notifications are returned unchanged."""
        planned = _whose_mail_is_planned(notifications)
        await lock_therapists(tx.conn, planned)
        outgoing: list[_Outgoing] = []
        for notification in notifications:
            change = notification.change
            if change is None:
                continue
            if change.change in _CANCELLING:
                # Deliveries that this very batch has queued are cancelled like those of earlier batches.
                await self._enqueue(tx, outgoing)
                outgoing = []
                await _cancel(tx, change, _CANCELLING[change.change])
            waits = (change.practice_id, change.therapist_id) in planned
            outgoing += [
                _Outgoing(change, channel, at_once=not (waits and channel is Channel.EMAIL))
                for channel in OUTGOING
                if notification.goes_to(channel)
            ]
        await self._enqueue(tx, outgoing)
        for practice, therapist in sorted(planned):
            await plan_mails(tx.conn, practice, therapist, tx.now)
        return notifications

    async def _enqueue(self, tx: Transaction, outgoing: Sequence["_Outgoing"]) -> None:
        if not outgoing:
            return
        rows = [_row(one, tx.now) for one in outgoing]
        async with tx.conn.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, episode_id,"
                " revision, change, channel, state, created_at, due_at, due_reason, give_up_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                rows,
            )
        await self._defer(tx.conn, [one.delivery_id for one in outgoing if one.at_once])


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A change that goes out over one channel, at once or when its mail is planned to."""

    change: EpisodeChanged
    channel: Channel
    at_once: bool

    @property
    def delivery_id(self) -> UUID:
        return delivery_id(self.change.episode_id, self.change.revision, self.channel)


def _whose_mail_is_planned(notifications: Sequence[PlannedNotification]) -> set[tuple[str, str]]:
    """Return the (practice id, therapist id) of the batch's therapists who do not get each mail at once."""
    return {
        (one.therapist.practice_id, one.therapist.therapist_id)
        for one in notifications
        if one.therapist is not None and not is_immediate(one.therapist, one.mail_timing)
    }


def _row(outgoing: _Outgoing, now: datetime) -> tuple[object, ...]:
    change = outgoing.change
    return (
        outgoing.delivery_id,
        Purpose.EPISODE.value,
        change.practice_id,
        change.therapist_id,
        change.episode_id,
        change.revision,
        change.change.value,
        outgoing.channel.value,
        DeliveryState.PENDING.value,
        now,
        now if outgoing.at_once else now + GATHER,
        (DueReason.AT_ONCE if outgoing.at_once else DueReason.BEFORE_SESSION).value,
        now + GIVE_UP_AFTER,
    )


async def _cancel(tx: Transaction, change: EpisodeChanged, reason: DeliveryReason) -> None:
    # The job stays in the queue; it finds the delivery cancelled and sends nothing.
    await tx.conn.execute(
        "UPDATE notifier.delivery SET state = %s, reason = %s, finished_at = %s, next_try_at = NULL"
        " WHERE practice_id = %s AND episode_id = %s AND revision < %s AND state = ANY(%s)",
        (
            DeliveryState.CANCELLED.value,
            reason.value,
            tx.now,
            change.practice_id,
            change.episode_id,
            change.revision,
            predecessors(DeliveryState.CANCELLED),
        ),
    )
