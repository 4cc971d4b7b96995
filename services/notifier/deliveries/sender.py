"""Attempts one delivery, and stores the result before the queue reads it."""

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg_pool import AsyncConnectionPool

from services.notifier.channels.channel import (
    Channel,
    DeliveryReason,
    Message,
    NotWorthRetrying,
    OutgoingChannel,
    Purpose,
    Recipient,
    SendResult,
    Sent,
)
from services.notifier.deliveries.mail_plans import (
    GIVE_UP_AFTER,
    MailClaim,
    claim_mail,
    combine,
    earliest_retry,
    lock_therapists,
    put_off,
)
from services.notifier.deliveries.retry_policy import BackOff, TryAgain
from services.notifier.directory.store import Connection, find_practice, find_therapist
from services.notifier.domain.delivery import OPEN_STATES, Delivery, DeliveryState, predecessors
from services.notifier.domain.mail_plan import DueReason
from services.notifier.domain.next_session import NextSession
from services.notifier.metrics import NotifierMetrics
from services.notifier.sign_in import LinkSigner, ensure_link, link_expiry
from services.runtime.process.clock import Clock
from services.runtime.process.log import get_logger
from services.runtime.process.sandbox import is_sandbox

_NOTHING_ELSE = MailClaim(combined=(), sessions=())


class DeliverySender:
    """The function that the worker calls with each job."""

    def __init__(
        self,
        *,
        pool: AsyncConnectionPool[Connection],
        channels: Mapping[Channel, OutgoingChannel],
        links: LinkSigner,
        back_off: BackOff,
        clock: Clock,
        metrics: NotifierMetrics,
        link_valid: timedelta,
    ) -> None:
        self._pool = pool
        self._channels = channels
        self._links = links
        self._back_off = back_off
        self._clock = clock
        self._metrics = metrics
        self._link_valid = link_valid

    async def __call__(self, delivery_id: UUID) -> None:
        """Attempt the delivery once.

        Raises:
            TryAgain: it failed and is worth another attempt.
            psycopg.Error: our own database is away.
        """
        now = self._clock.now()
        async with self._pool.connection() as conn:
            delivery = await load(conn, delivery_id)
            if delivery is None or delivery.state not in OPEN_STATES or delivery.due_at > now:
                return
            claim = _NOTHING_ELSE
            if delivery.purpose is Purpose.EPISODE and delivery.channel is Channel.EMAIL:
                key = (delivery.practice_id, delivery.therapist_id, delivery_id)
                claimed = await claim_mail(conn, *key, now)
                if claimed is None:
                    return
                claim = claimed
            message = await self._message(conn, delivery, claim, now)
        # The transaction has ended: none stays open while the receiver takes its time to answer.
        result = await self._try(delivery, message, now)
        await self._write(delivery, claim, result)

    async def _message(
        self, conn: Connection, delivery: Delivery, claim: MailClaim, now: datetime
    ) -> Message | None:
        therapist = await find_therapist(conn, delivery.practice_id, delivery.therapist_id)
        if therapist is None:
            return None
        practice = await find_practice(conn, delivery.practice_id)
        # A requested link expires with its delivery; a link in a message is valid anew at each attempt.
        requested = delivery.purpose is Purpose.SIGN_IN
        upcoming = [session for session in claim.sessions if session.at > now]
        expires_at = (
            delivery.give_up_at
            if requested
            else link_expiry(now, self._link_valid, (session.at for session in upcoming))
        )
        link = await ensure_link(
            conn, delivery, therapist.address or "", expires_at, to_list=bool(claim.combined)
        )
        return Message(
            delivery_id=delivery.delivery_id,
            purpose=delivery.purpose,
            change=delivery.change,
            episode_id=delivery.episode_id,
            created_at=delivery.created_at,
            attempted_at=now,
            recipient=Recipient(
                therapist.reading_locale, therapist.address, therapist.contacts.get(delivery.channel)
            ),
            link=self._links.url(link),
            practice_name=practice.display_name,
            session_on=_session_day(upcoming, therapist.zone, now),
            timing=therapist.timing(practice.mail_timing),
            hours_before=practice.mail_hours.before,
            settings_url=None if requested else self._links.settings_url,
            is_sandbox=is_sandbox(delivery.practice_id),
        )

    async def _try(self, delivery: Delivery, message: Message | None, now: datetime) -> SendResult:
        if message is None:
            return NotWorthRetrying(DeliveryReason.NO_ADDRESS)
        # A message is given up after attempts, never because a clock says that it is late. A link that was
        # asked for has expired by this clock, whatever is right.
        if delivery.purpose is Purpose.SIGN_IN and now > delivery.give_up_at:
            return NotWorthRetrying(DeliveryReason.TOO_LATE)
        return await self._channels[delivery.channel].send(message)

    async def _write(self, delivery: Delivery, claim: MailClaim, result: SendResult) -> None:
        now, attempts = self._clock.now(), delivery.attempts + 1
        next_try = None
        match result:
            case Sent():
                state, reason = DeliveryState.SENT, None
            case NotWorthRetrying(reason=reason):
                state = DeliveryState.FAILED
            case _:
                next_try = self._next_try(delivery, now, attempts, result.after_s)
                state, reason = (
                    (DeliveryState.RETRYING, result.reason)
                    if next_try
                    else (DeliveryState.FAILED, DeliveryReason.TOO_LATE)
                )
        async with self._pool.connection() as conn:
            if claim.combined:
                # Several rows change: whoever plans this therapist's mail locks them in another order.
                await lock_therapists(conn, [(delivery.practice_id, delivery.therapist_id)])
            cursor = await conn.execute(
                "UPDATE notifier.delivery SET state = %s, reason = %s, attempts = %s, next_try_at = %s,"
                " finished_at = %s WHERE delivery_id = %s AND state = ANY(%s) RETURNING now()",
                (
                    state.value,
                    reason.value if reason else None,
                    attempts,
                    next_try,
                    None if next_try else now,
                    delivery.delivery_id,
                    predecessors(state),
                ),
            )
            written = await cursor.fetchone()
            if state is DeliveryState.SENT and claim.combined:
                await combine(conn, claim.combined, now)
            is_put_off = next_try is not None and await self._put_off(conn, delivery, next_try)
        if written is not None:
            # Receivers that somebody tries out may fail: nobody else need know.
            if state is not DeliveryState.FAILED or not is_sandbox(delivery.practice_id):
                self._metrics.attempts.labels(channel=delivery.channel.value, state=state.value).inc()
            if reason is None:
                took_s = (now - delivery.due_at).total_seconds()
                self._metrics.delivery_seconds.labels(delivery.channel.value).observe(max(0.0, took_s))
            else:
                self._metrics.delivery_failures.labels(delivery.channel.value, reason.value).inc()
            get_logger().log(
                logging.INFO if reason is None else logging.WARNING,
                "delivery-attempted",
                delivery_id=str(delivery.delivery_id),
                channel=delivery.channel.value,
                state=state.value,
                reason=reason.value if reason else None,
                attempts=attempts,
            )
            if next_try is not None and not is_put_off:
                # The pause is one of the queue, which goes by the database's clock: ours may be another.
                raise TryAgain(written[0] + (next_try - now))

    def _next_try(self, delivery: Delivery, now: datetime, attempts: int, asked_s: float) -> datetime | None:
        """When to try again; None when it was tried often enough."""
        at = self._back_off.next_try(now, attempts, asked_s)
        if delivery.purpose is Purpose.SIGN_IN:
            return at if at <= delivery.give_up_at else None
        return at if attempts < self._back_off.tries_within(GIVE_UP_AFTER) else None

    async def _put_off(self, conn: Connection, delivery: Delivery, at: datetime) -> bool:
        """Put a further attempt off to the end of the quiet hours, if it would be in them."""
        if delivery.purpose is not Purpose.EPISODE or delivery.channel is not Channel.EMAIL:
            return False
        therapist = await find_therapist(conn, delivery.practice_id, delivery.therapist_id)
        if therapist is None:
            return False
        later = await earliest_retry(conn, therapist, delivery.due_reason, at)
        if later > at:
            await put_off(conn, delivery.delivery_id, later)
        return later > at


def _session_day(upcoming: Sequence[NextSession], zone: ZoneInfo, now: datetime) -> date | None:
    """Return the day of the nearest session, where it was stated and its weekday says which week is meant."""
    if not upcoming or upcoming[0].expected:
        return None
    day = upcoming[0].at.astimezone(zone).date()
    return day if day - now.astimezone(zone).date() < timedelta(days=7) else None


async def load(conn: Connection, delivery_id: UUID) -> Delivery | None:
    """Return a delivery in its current state; None when it does not exist."""
    row = await (
        await conn.execute(
            "SELECT delivery_id, purpose, practice_id, therapist_id, episode_id, change, channel, state,"
            " attempts, created_at, give_up_at, due_at, due_reason FROM notifier.delivery"
            " WHERE delivery_id = %s",
            (delivery_id,),
        )
    ).fetchone()
    if row is None:
        return None
    return Delivery(
        delivery_id=row[0],
        purpose=Purpose(row[1]),
        practice_id=row[2],
        therapist_id=row[3],
        episode_id=row[4],
        change=row[5],
        channel=Channel(row[6]),
        state=DeliveryState(row[7]),
        attempts=row[8],
        created_at=row[9],
        give_up_at=row[10],
        due_at=row[11],
        due_reason=DueReason(row[12]),
    )
