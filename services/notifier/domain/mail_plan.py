"""Plans when a mail about an item goes out: before the session, daily or at once, and at most one a day."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from services.notifier.channels.channel import MailTiming

AT_LATEST = timedelta(hours=2)
"""No mail for a session goes out later than this before it: by then the therapist sits with others."""
GATHER = timedelta(minutes=5)
"""How long a mail waits for others that it could announce as well."""
HOURS_BEFORE = range(3, 73)
"""The hours before a session that can be chosen: more than `AT_LATEST`, and at most three days."""
QUIET_UNTIL, QUIET_FROM = range(4, 12), range(12, 24)
"""The ends of quiet hours that can be chosen; no clock change ever skips one of the hours between them."""


@dataclass(frozen=True, slots=True)
class MailHours:
    """The hours of mail that a practice has chosen for its therapists, on each one's own clock.

    Raises:
        ValueError: an hour cannot be used; the message begins with the name of the practice's option.
    """

    hour: int = 7
    """The hour of a daily mail, and of one for which no next session is known."""
    before: int = 24
    """How many hours before the session a mail goes out: time to think, and near enough to be remembered."""
    quiet_from: int = 20
    quiet_until: int = 7
    """No mail goes out between these hours, unless the timing is `immediate`."""

    def __post_init__(self) -> None:
        """Check the hours."""
        if self.before not in HOURS_BEFORE:
            raise ValueError(f"mail_hours_before: expected {HOURS_BEFORE[0]} to {HOURS_BEFORE[-1]}")
        if self.quiet_from not in QUIET_FROM or self.quiet_until not in QUIET_UNTIL:
            raise ValueError(
                "quiet_hours: expected two hours such as 20-7, the first of 12 to 23, the second of 4 to 11"
            )
        if self.hour not in self.offered:
            raise ValueError(
                f"mail_hour: expected {self.offered[0]} to {self.offered[-1]}, an hour that is not quiet"
            )

    @property
    def quiet_hours(self) -> str:
        """The quiet hours as the practice's option states them."""
        return f"{self.quiet_from}-{self.quiet_until}"

    @property
    def offered(self) -> range:
        """The hours that can be chosen for a daily mail."""
        return range(self.quiet_until, self.quiet_from)


class DueReason(StrEnum):
    """Why a message is due when it is."""

    AT_ONCE = "at-once"
    """Messages are immediate for this channel or therapist."""
    BEFORE_SESSION = "before-session"
    """The practice's hours before the next session, or a little after the change where that is nearer."""
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
    hours: MailHours = MailHours()
    own_hour: int | None = None
    """The hour of a daily mail that the therapist has chosen; a mail in quiet hours waits for their end."""
    paused_until: date | None = None
    """The first day on which mail goes out again."""

    @property
    def hour(self) -> int:
        """The hour of a daily mail on the therapist's clock."""
        return self.hours.hour if self.own_hour is None else self.own_hour


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
    wanted = max(session_at - timedelta(hours=times.hours.before), ready, now)
    plan = _planned(wanted, DueReason.BEFORE_SESSION, times, last_mail_at)
    if plan.at <= session_at - AT_LATEST:
        return plan
    after = max(_next_hour(max(ready, session_at), times), now)
    return _planned(after, DueReason.SESSION_TOO_NEAR, times, last_mail_at)


def is_same_day(one: datetime, other: datetime, zone: ZoneInfo) -> bool:
    """Return whether two times are on one day of the therapist's calendar."""
    return one.astimezone(zone).date() == other.astimezone(zone).date()


def after_quiet_hours(at: datetime, times: MailTimes) -> datetime:
    """Return the first time from `at` on that is not in the therapist's quiet hours."""
    return _allowed(at, replace(times, paused_until=None), None, quiet_hours=True)[0]


def _planned(at: datetime, reason: DueReason, times: MailTimes, last_mail_at: datetime | None) -> MailPlan:
    allowed, moved = _allowed(at, times, last_mail_at, quiet_hours=True)
    return MailPlan(allowed, moved or reason)


def _allowed(
    at: datetime, times: MailTimes, last_mail_at: datetime | None, *, quiet_hours: bool
) -> tuple[datetime, DueReason | None]:
    """Return the first time from `at` on at which mail may go out, and what moved it there."""
    moved = None
    quiet_until, quiet_from = time(times.hours.quiet_until), time(times.hours.quiet_from)
    while True:
        local = at.astimezone(times.zone)
        if times.paused_until is not None and local.date() < times.paused_until:
            at, moved = _on_the_clock(times.paused_until, time(times.hour), times.zone), DueReason.PAUSED
        elif last_mail_at is not None and is_same_day(at, last_mail_at, times.zone):
            tomorrow = local.date() + timedelta(days=1)
            at, moved = _on_the_clock(tomorrow, time(times.hour), times.zone), DueReason.ONE_A_DAY
        elif quiet_hours and local.time() < quiet_until:
            at, moved = _on_the_clock(local.date(), quiet_until, times.zone), DueReason.QUIET_HOURS
        elif quiet_hours and local.time() >= quiet_from:
            tomorrow = local.date() + timedelta(days=1)
            at, moved = _on_the_clock(tomorrow, quiet_until, times.zone), DueReason.QUIET_HOURS
        else:
            return at, moved


def _next_hour(after: datetime, times: MailTimes) -> datetime:
    """Return the therapist's hour on the first day on which it is not before `after`."""
    day = after.astimezone(times.zone).date()
    at = _on_the_clock(day, time(times.hour), times.zone)
    return at if at >= after else _on_the_clock(day + timedelta(days=1), time(times.hour), times.zone)


def _on_the_clock(day: date, hour: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, hour, zone).astimezone(UTC)
