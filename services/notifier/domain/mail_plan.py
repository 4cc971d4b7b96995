"""Plans when a mail about an item goes out: before the session, daily or at once, and at most one a day."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.notifier.channels.channel import MailTiming

BEFORE = timedelta(hours=24)
"""How long before the session a mail goes out: time enough to think, and near enough to be remembered."""
AT_LATEST = timedelta(hours=2)
"""No mail for a session goes out later than this before it: by then the therapist sits with others."""
GATHER = timedelta(minutes=5)
"""How long a mail waits for others that it could announce as well."""
QUIET_FROM, QUIET_UNTIL = time(20), time(7)
"""No mail goes out in these hours of the therapist's clock, unless the timing is `immediate`."""
HOURS = range(QUIET_UNTIL.hour, QUIET_FROM.hour)
"""The hours that can be chosen for a daily mail; no clock change ever skips one of them."""
DEFAULT_HOUR = 7


class DueReason(StrEnum):
    """Why a message is due when it is."""

    AT_ONCE = "at-once"
    """Messages are immediate for this channel or therapist."""
    BEFORE_SESSION = "before-session"
    """A day before the next session, or a little after the change where the session is nearer."""
    DAILY = "daily"
    """The therapist has one mail a day at a fixed hour."""
    NO_SESSION_KNOWN = "no-session-known"
    """No next session is stated or expected: the mail goes out at the therapist's hour."""
    SESSION_TOO_NEAR = "session-too-near"
    """No mail could go out two hours before the session: it goes out at the therapist's hour after it."""
    QUIET_HOURS = "quiet-hours"
    """The mail waits for the morning."""
    ONE_A_DAY = "one-a-day"
    """A mail went out on this day already."""
    PAUSED = "paused"
    """The therapist has paused mail until a date."""


@dataclass(frozen=True, slots=True)
class MailTimes:
    """When a therapist wants mail."""

    timing: MailTiming
    zone: ZoneInfo
    hour: int = DEFAULT_HOUR
    """The hour of a daily mail on the therapist's clock, one of `HOURS`."""
    paused_until: date | None = None
    """The first day on which mail goes out again."""


@dataclass(frozen=True, slots=True)
class MailPlan:
    """When a mail is to go out, and why then."""

    at: datetime
    reason: DueReason


def plan_mail(
    now: datetime,
    times: MailTimes,
    *,
    queued_at: datetime,
    session_at: datetime | None,
    last_mail_at: datetime | None,
) -> MailPlan:
    """Return when a waiting mail is to go out; `at` is `now` or later.

    Args:
        now: the time of planning.
        times: when the therapist wants mail.
        queued_at: when the change was decided to be told.
        session_at: the client's next session, stated or expected; it may have passed.
        last_mail_at: the therapist's newest mail about another item, sent or being sent.
    """
    if times.timing is MailTiming.IMMEDIATE:
        at, moved = _allowed(now, times, None, quiet_hours=False)
        return MailPlan(at, moved or DueReason.AT_ONCE)
    ready = queued_at + GATHER
    if times.timing is MailTiming.DAILY:
        return _planned(max(_next_hour(ready, times), now), DueReason.DAILY, times, last_mail_at)
    if session_at is None or session_at <= ready:
        return _planned(max(_next_hour(ready, times), now), DueReason.NO_SESSION_KNOWN, times, last_mail_at)
    wanted = max(session_at - BEFORE, ready, now)
    plan = _planned(wanted, DueReason.BEFORE_SESSION, times, last_mail_at)
    if plan.at <= session_at - AT_LATEST:
        return plan
    after = max(_next_hour(max(ready, session_at), times), now)
    return _planned(after, DueReason.SESSION_TOO_NEAR, times, last_mail_at)


def is_same_day(one: datetime, other: datetime, zone: ZoneInfo) -> bool:
    """Return whether two times are on one day of the therapist's calendar."""
    return one.astimezone(zone).date() == other.astimezone(zone).date()


def _planned(at: datetime, reason: DueReason, times: MailTimes, last_mail_at: datetime | None) -> MailPlan:
    allowed, moved = _allowed(at, times, last_mail_at, quiet_hours=True)
    return MailPlan(allowed, moved or reason)


def _allowed(
    at: datetime, times: MailTimes, last_mail_at: datetime | None, *, quiet_hours: bool
) -> tuple[datetime, DueReason | None]:
    """Return the first time from `at` on at which mail may go out, and what moved it there."""
    moved = None
    while True:
        local = at.astimezone(times.zone)
        if times.paused_until is not None and local.date() < times.paused_until:
            at, moved = _on_the_clock(times.paused_until, time(times.hour), times.zone), DueReason.PAUSED
        elif last_mail_at is not None and is_same_day(at, last_mail_at, times.zone):
            tomorrow = local.date() + timedelta(days=1)
            at, moved = _on_the_clock(tomorrow, time(times.hour), times.zone), DueReason.ONE_A_DAY
        elif quiet_hours and local.time() < QUIET_UNTIL:
            at, moved = _on_the_clock(local.date(), QUIET_UNTIL, times.zone), DueReason.QUIET_HOURS
        elif quiet_hours and local.time() >= QUIET_FROM:
            tomorrow = local.date() + timedelta(days=1)
            at, moved = _on_the_clock(tomorrow, QUIET_UNTIL, times.zone), DueReason.QUIET_HOURS
        else:
            return at, moved


def _next_hour(after: datetime, times: MailTimes) -> datetime:
    """Return the therapist's hour on the first day on which it is not before `after`."""
    day = after.astimezone(times.zone).date()
    at = _on_the_clock(day, time(times.hour), times.zone)
    return at if at >= after else _on_the_clock(day + timedelta(days=1), time(times.hour), times.zone)


def _on_the_clock(day: date, hour: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, hour, zone).astimezone(UTC)
