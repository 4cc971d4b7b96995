"""Plans the waiting mails of a therapist anew, and decides which items one mail announces."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from schemas.events import EpisodeChanged
from services.notifier.channels.channel import Channel, DeliveryReason, MailTiming, Purpose
from services.notifier.directory.store import (
    Connection,
    find_practice,
    find_therapist,
    next_sessions,
)
from services.notifier.domain.delivery import OPEN_STATES, DeliveryState
from services.notifier.domain.mail_plan import DueReason, MailTimes, after_quiet_hours, is_same_day, plan_mail
from services.notifier.domain.next_session import NextSession
from services.notifier.domain.therapist import Therapist

GIVE_UP_AFTER = timedelta(days=3)
"""How long delivery is attempted: sessions are weekly, so that after three days the next one is near.

It is counted in attempts, as many as fit in it, because a clock may jump ahead by days.
"""

_WAITING = """
SELECT d.delivery_id, d.created_at, d.due_at, d.due_reason, d.tried_at, i.client_id, i.answer IS NOT NULL,
    newest.content
FROM notifier.delivery d
JOIN notifier.item i USING (practice_id, episode_id)
CROSS JOIN LATERAL (
    SELECT c.content FROM notifier.change c WHERE c.practice_id = i.practice_id
        AND c.therapist_id = i.therapist_id AND c.client_id = i.client_id
    ORDER BY c.session_at DESC, c.accepted_at DESC, c.revision DESC LIMIT 1
) newest
WHERE d.practice_id = %(practice)s AND d.therapist_id = %(therapist)s AND d.purpose = %(purpose)s
    AND d.channel = %(channel)s AND d.state = ANY(%(open)s)
    AND (%(only)s::uuid IS NULL OR d.delivery_id = %(only)s)
ORDER BY d.created_at, d.delivery_id FOR UPDATE OF d
"""


@dataclass(frozen=True, slots=True)
class WaitingMail:
    """A mail about an item that has not gone out."""

    delivery_id: UUID
    queued_at: datetime
    due_at: datetime
    due_reason: DueReason
    tried_at: datetime | None
    """When its newest attempt began; None before the first."""
    answered: bool
    next_session: NextSession | None


@dataclass(frozen=True, slots=True)
class MailClaim:
    """One mail that goes out now."""

    combined: tuple[UUID, ...]
    """The deliveries that need no mail of their own once this one was sent."""
    sessions: tuple[NextSession, ...]
    """The next sessions of the clients whose items it announces, as far as known."""


async def lock_therapists(conn: Connection, who: Collection[tuple[str, str]]) -> None:
    """Lock these (practice id, therapist id) in key order, so that only one plans their mail at a time."""
    practices, therapists = zip(*sorted(who), strict=True) if who else ((), ())
    await conn.execute(
        "SELECT FROM notifier.therapist WHERE (practice_id, therapist_id) IN"
        " (SELECT * FROM unnest(%s::text[], %s::text[])) ORDER BY practice_id, therapist_id FOR UPDATE",
        (list(practices), list(therapists)),
    )


async def plan_mails(
    conn: Connection, practice_id: str, therapist_id: str, now: datetime, *, only: UUID | None = None
) -> list[WaitingMail]:
    """Plan every waiting mail of a therapist, who is locked; return those that still wait, oldest first.

    Mail whose item was answered, or that nobody wants any more, is cancelled. A mail of which an attempt has
    begun keeps its plan. `only` names the one mail that is of interest.
    """
    mails = await _waiting(conn, practice_id, therapist_id, only)
    therapist = await find_therapist(conn, practice_id, therapist_id) if mails else None
    if therapist is None:
        return mails
    practice = await find_practice(conn, practice_id)
    wanted = practice.tells and not therapist.quiet and therapist.wants(Channel.EMAIL)
    times = therapist.mail_times(practice.mail_timing, practice.mail_hours)
    last_mail = await _last_mail(conn, therapist)
    left = []
    for mail in mails:
        if mail.tried_at is not None:
            left.append(mail)
        elif not wanted or mail.answered:
            reason = DeliveryReason.ANSWERED if wanted else DeliveryReason.SWITCHED_OFF
            await _cancel(conn, mail, reason, now)
        else:
            left.append(await _plan(conn, mail, times, last_mail, now))
    return left


async def claim_mail(
    conn: Connection, practice_id: str, therapist_id: str, delivery_id: UUID, now: datetime
) -> MailClaim | None:
    """Begin an attempt to send a mail about an item, in an open transaction; None when it is not due.

    The claim is stored before the mail is sent: another mail to this therapist sees it and waits.
    A further attempt in the therapist's quiet hours is put off.
    """
    await lock_therapists(conn, [(practice_id, therapist_id)])
    therapist = await find_therapist(conn, practice_id, therapist_id)
    of_practice = (await find_practice(conn, practice_id)).mail_timing
    alone = therapist is None or is_immediate(therapist, of_practice)
    planned = await plan_mails(conn, practice_id, therapist_id, now, only=delivery_id if alone else None)
    mails = {mail.delivery_id: mail for mail in planned}
    own = mails.pop(delivery_id, None)
    if own is None or own.due_at > now:
        return None
    if own.tried_at is not None and therapist is not None:
        at = await earliest_retry(conn, therapist, own.due_reason, now)
        if at > now:
            await put_off(conn, delivery_id, at)
            return None
    await conn.execute(
        "UPDATE notifier.delivery SET tried_at = %s WHERE delivery_id = %s", (now, delivery_id)
    )
    with_it = [] if therapist is None else [one for one in mails.values() if _joins(own, one, therapist, now)]
    sessions = (one.next_session for one in (own, *with_it))
    return MailClaim(
        combined=tuple(one.delivery_id for one in with_it),
        sessions=tuple(sorted(session for session in sessions if session is not None)),
    )


async def earliest_retry(
    conn: Connection, therapist: Therapist, due_reason: DueReason, at: datetime
) -> datetime:
    """Return when a further attempt may be made from `at` on: mail that was planned never in quiet hours."""
    if due_reason is DueReason.AT_ONCE:
        return at
    practice = await find_practice(conn, therapist.practice_id)
    return after_quiet_hours(at, therapist.mail_times(practice.mail_timing, practice.mail_hours))


async def put_off(conn: Connection, delivery_id: UUID, until: datetime) -> None:
    """Make a mail that was attempted due later: it gets a new job then."""
    await conn.execute(
        "UPDATE notifier.delivery SET due_at = %s, due_reason = %s, next_try_at = %s WHERE delivery_id = %s"
        " AND finished_at IS NULL",
        (until, DueReason.QUIET_HOURS.value, until, delivery_id),
    )


def _joins(own: WaitingMail, other: WaitingMail, therapist: Therapist, now: datetime) -> bool:
    """Return whether a mail that goes out now announces the item of another as well."""
    if DueReason.AT_ONCE in {own.due_reason, other.due_reason} or other.tried_at is not None:
        return False
    waits_for_tomorrow = other.due_reason is DueReason.ONE_A_DAY
    return other.due_at <= now or waits_for_tomorrow or is_same_day(other.due_at, now, therapist.zone)


async def _waiting(
    conn: Connection, practice_id: str, therapist_id: str, only: UUID | None
) -> list[WaitingMail]:
    values = {
        "practice": practice_id,
        "therapist": therapist_id,
        "purpose": Purpose.EPISODE.value,
        "channel": Channel.EMAIL.value,
        "open": list(OPEN_STATES),
        "only": only,
    }
    rows = await (await conn.execute(_WAITING, values)).fetchall()
    wanted = [
        ((practice_id, therapist_id, client), EpisodeChanged.model_validate(content))
        for *_, client, _, content in rows
    ]
    sessions = await next_sessions(conn, wanted)
    return [
        WaitingMail(one, queued_at, due_at, DueReason(reason), tried_at, answered, session)
        for (one, queued_at, due_at, reason, tried_at, _, answered, _), session in zip(
            rows, sessions, strict=True
        )
    ]


async def _last_mail(conn: Connection, therapist: Therapist) -> datetime | None:
    row = await (
        await conn.execute(
            "SELECT max(tried_at) FROM notifier.delivery WHERE practice_id = %s AND therapist_id = %s"
            " AND purpose = %s AND channel = %s AND state = ANY(%s)",
            (
                therapist.practice_id,
                therapist.therapist_id,
                Purpose.EPISODE.value,
                Channel.EMAIL.value,
                [DeliveryState.SENT.value, *OPEN_STATES],
            ),
        )
    ).fetchone()
    return row[0] if row is not None else None


async def _plan(
    conn: Connection, mail: WaitingMail, times: MailTimes, last_mail_at: datetime | None, now: datetime
) -> WaitingMail:
    session = mail.next_session
    plan = plan_mail(
        now,
        times,
        queued_at=mail.queued_at,
        session_at=session.at if session else None,
        last_mail_at=last_mail_at,
    )
    if plan.at <= now and mail.due_at <= now:
        # It is due and stays so, for the reason for which it has waited until now.
        return mail
    await conn.execute(
        "UPDATE notifier.delivery SET due_at = %s, due_reason = %s, give_up_at = %s WHERE delivery_id = %s",
        (plan.at, plan.reason.value, plan.at + GIVE_UP_AFTER, mail.delivery_id),
    )
    return replace(mail, due_at=plan.at, due_reason=plan.reason)


async def _cancel(conn: Connection, mail: WaitingMail, reason: DeliveryReason, now: datetime) -> None:
    await conn.execute(
        "UPDATE notifier.delivery SET state = %s, reason = %s, finished_at = %s WHERE delivery_id = %s",
        (DeliveryState.CANCELLED.value, reason.value, now, mail.delivery_id),
    )


def is_immediate(therapist: Therapist, of_practice: MailTiming) -> bool:
    """Return whether a change is mailed at once, without a plan."""
    immediate = therapist.timing(of_practice) is MailTiming.IMMEDIATE
    return immediate and therapist.own.paused_until is None


async def combine(conn: Connection, deliveries: Sequence[UUID], now: datetime) -> None:
    """Record that these deliveries' items were announced by the mail of another."""
    await conn.execute(
        "UPDATE notifier.delivery SET state = %s, finished_at = %s WHERE delivery_id = ANY(%s)"
        " AND state = %s",
        (DeliveryState.COMBINED.value, now, list(deliveries), DeliveryState.PENDING.value),
    )
