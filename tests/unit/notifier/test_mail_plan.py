"""When a mail goes out: near the session, in the day, once a day, and by the therapist's own clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from services.notifier.channels.channel import MailTiming
from services.notifier.domain.mail_plan import (
    AT_LATEST,
    DueReason,
    MailHours,
    MailTimes,
    is_same_day,
    plan_mail,
)

VIENNA = ZoneInfo("Europe/Vienna")
BEFORE, DAILY = (MailTimes(one, VIENNA) for one in (MailTiming.BEFORE_SESSION, MailTiming.DAILY))
IMMEDIATE = MailTimes(MailTiming.IMMEDIATE, VIENNA)


def vienna(text: str, year: int = 2026) -> datetime:
    """A time such as `11-18 13:05` on Vienna's clock."""
    return datetime.fromisoformat(f"{year}-{text}").replace(tzinfo=VIENNA).astimezone(UTC)


def planned(
    times: MailTimes, queued: str, session: str | None = None, last: str | None = None, now: str | None = None
) -> tuple[str, DueReason]:
    """The plan, on Vienna's clock."""
    plan = plan_mail(
        vienna(now or queued),
        times,
        queued_at=vienna(queued),
        session_at=None if session is None else vienna(session),
        last_mail_at=None if last is None else vienna(last),
    )
    return f"{plan.at.astimezone(VIENNA):%m-%d %H:%M}", plan.reason


@pytest.mark.parametrize(
    ("queued", "session", "at", "reason"),
    [
        ("11-18 13:00", "11-25 10:00", "11-24 10:00", DueReason.BEFORE_SESSION),
        ("11-18 13:00", "11-19 09:00", "11-18 13:05", DueReason.BEFORE_SESSION),
        ("11-18 13:00", "11-18 15:05", "11-18 13:05", DueReason.BEFORE_SESSION),
        ("11-18 13:00", "11-18 15:04", "11-19 07:00", DueReason.SESSION_TOO_NEAR),
        ("11-18 13:00", "11-18 13:00", "11-19 07:00", DueReason.NO_SESSION_KNOWN),
        ("11-18 13:00", None, "11-19 07:00", DueReason.NO_SESSION_KNOWN),
        ("11-18 06:50", None, "11-18 07:00", DueReason.NO_SESSION_KNOWN),
        ("11-18 13:00", "11-25 06:30", "11-24 07:00", DueReason.QUIET_HOURS),
        ("11-18 13:00", "11-24 20:30", "11-24 07:00", DueReason.QUIET_HOURS),
        ("11-18 22:00", "11-19 09:00", "11-19 07:00", DueReason.QUIET_HOURS),
        ("11-18 22:00", "11-19 08:00", "11-20 07:00", DueReason.SESSION_TOO_NEAR),
    ],
)
def test_a_mail_goes_out_a_day_before_the_session_in_the_day_and_never_in_its_last_two_hours(
    queued: str, session: str | None, at: str, reason: DueReason
) -> None:
    assert planned(BEFORE, queued, session) == (at, reason)


@pytest.mark.parametrize(
    ("times", "queued", "session", "last", "at", "reason"),
    [
        (BEFORE, "11-18 13:00", "11-20 10:00", "11-19 07:00", "11-20 07:00", DueReason.ONE_A_DAY),
        (BEFORE, "11-18 13:00", "11-19 20:00", "11-18 12:00", "11-19 07:00", DueReason.ONE_A_DAY),
        (BEFORE, "11-18 13:00", "11-19 08:00", "11-18 12:00", "11-20 07:00", DueReason.SESSION_TOO_NEAR),
        (BEFORE, "11-18 13:00", "11-25 10:00", "11-18 12:00", "11-24 10:00", DueReason.BEFORE_SESSION),
        (DAILY, "11-18 06:00", None, "11-18 00:10", "11-19 07:00", DueReason.ONE_A_DAY),
        (DAILY, "11-18 06:00", None, "11-17 23:59", "11-18 07:00", DueReason.DAILY),
    ],
)
def test_at_most_one_mail_goes_out_on_a_day(
    times: MailTimes, queued: str, session: str | None, last: str, at: str, reason: DueReason
) -> None:
    assert planned(times, queued, session, last) == (at, reason)


@pytest.mark.parametrize("timing", MailTiming)
def test_a_pause_holds_until_its_date_in_every_timing(timing: MailTiming) -> None:
    times = replace(BEFORE, timing=timing, own_hour=9, paused_until=date(2026, 12, 1))
    assert planned(times, "11-18 13:00", "11-20 10:00")[0] == "12-01 09:00"
    resumed = "12-01 10:00" if timing is MailTiming.IMMEDIATE else "12-02 09:00"
    assert planned(times, "12-01 10:00")[0] == resumed


def test_a_pause_is_the_reason_unless_the_session_is_over_by_then() -> None:
    paused = replace(BEFORE, paused_until=date(2026, 11, 24))
    assert planned(paused, "11-18 13:00", "11-24 18:00") == ("11-24 07:00", DueReason.PAUSED)
    assert planned(paused, "11-18 13:00", "11-20 18:00") == ("11-24 07:00", DueReason.PAUSED)


def test_an_immediate_mail_goes_out_at_any_hour_however_many_there_were() -> None:
    assert planned(IMMEDIATE, "11-18 23:30", "11-19 00:10", "11-18 23:29") == (
        "11-18 23:30",
        DueReason.AT_ONCE,
    )


@pytest.mark.parametrize(
    ("day_before", "day", "utc_hour"), [("03-28", "03-29", 5), ("10-24", "10-25", 6), ("07-14", "07-15", 5)]
)
def test_the_daily_hour_is_the_clocks_on_both_days_of_change(
    day_before: str, day: str, utc_hour: int
) -> None:
    plan = plan_mail(
        vienna(f"{day_before} 13:00"),
        DAILY,
        queued_at=vienna(f"{day_before} 13:00"),
        session_at=None,
        last_mail_at=vienna(f"{day_before} 07:00"),
    )
    assert (plan.at, plan.reason) == (vienna(f"{day} 07:00"), DueReason.DAILY)
    assert plan.at.hour == utc_hour


@pytest.mark.parametrize("day", ["03-29", "10-25"])
def test_one_a_day_and_quiet_hours_follow_the_clock_on_both_days_of_change(day: str) -> None:
    tomorrow = f"{day[:3]}{int(day[3:]) + 1}"
    assert planned(DAILY, f"{day} 00:30", None) == (f"{day} 07:00", DueReason.DAILY)
    assert planned(BEFORE, f"{day} 00:30", f"{day} 12:00") == (f"{day} 07:00", DueReason.QUIET_HOURS)
    late = planned(BEFORE, f"{day} 19:00", f"{tomorrow} 23:00", last=f"{day} 00:05")
    assert late == (f"{tomorrow} 07:00", DueReason.ONE_A_DAY)


def test_a_plan_that_is_due_is_due_when_it_is_made_again() -> None:
    for session in ("11-25 10:00", "11-19 09:00", None):
        at, _ = planned(BEFORE, "11-18 13:00", session)
        assert planned(BEFORE, "11-18 13:00", session, now=at)[0] == at


def test_a_mail_that_a_standstill_held_up_past_the_session_goes_out_at_the_hour_after_it() -> None:
    assert planned(BEFORE, "11-18 13:00", "11-25 10:00", now="11-25 09:00") == (
        "11-26 07:00",
        DueReason.SESSION_TOO_NEAR,
    )


OWN_DAY = MailHours(hour=9, before=48, quiet_from=18, quiet_until=9)


@pytest.mark.parametrize(
    ("timing", "own_hour", "queued", "session", "at", "reason"),
    [
        (
            MailTiming.BEFORE_SESSION,
            None,
            "11-18 13:00",
            "11-25 10:00",
            "11-23 10:00",
            DueReason.BEFORE_SESSION,
        ),
        (MailTiming.BEFORE_SESSION, None, "11-18 13:00", "11-25 08:00", "11-23 09:00", DueReason.QUIET_HOURS),
        (MailTiming.BEFORE_SESSION, None, "11-18 17:56", "11-25 18:00", "11-24 09:00", DueReason.QUIET_HOURS),
        (MailTiming.BEFORE_SESSION, None, "11-18 13:00", None, "11-19 09:00", DueReason.NO_SESSION_KNOWN),
        (MailTiming.DAILY, None, "11-18 13:00", None, "11-19 09:00", DueReason.DAILY),
        (MailTiming.DAILY, 15, "11-18 13:00", None, "11-18 15:00", DueReason.DAILY),
        (MailTiming.DAILY, 7, "11-18 13:00", None, "11-19 09:00", DueReason.QUIET_HOURS),
        (MailTiming.DAILY, 19, "11-18 13:00", None, "11-19 09:00", DueReason.QUIET_HOURS),
        (MailTiming.IMMEDIATE, None, "11-18 23:00", None, "11-18 23:00", DueReason.AT_ONCE),
    ],
)
def test_a_practice_sets_the_hours_and_a_therapist_the_own_hour_within_them(
    timing: MailTiming, own_hour: int | None, queued: str, session: str | None, at: str, reason: DueReason
) -> None:
    assert planned(MailTimes(timing, VIENNA, OWN_DAY, own_hour), queued, session) == (at, reason)


@pytest.mark.parametrize(("day", "utc_hour"), [("03-29", 7), ("10-25", 8)])
def test_the_practices_hours_follow_the_clock_on_both_days_of_change(day: str, utc_hour: int) -> None:
    times = MailTimes(MailTiming.BEFORE_SESSION, VIENNA, OWN_DAY)
    for queued, session in ((f"{day} 00:30", None), (f"{day} 00:30", f"{day} 12:00")):
        assert planned(times, queued, session)[0] == f"{day} 09:00"
    assert vienna(f"{day} 09:00").hour == utc_hour
    # Two days before are 48 hours, also where one of them has 23 or 25 on the clock.
    plan = plan_mail(
        vienna("03-20 12:00"),
        times,
        queued_at=vienna("03-20 12:00"),
        session_at=vienna("03-30 12:00"),
        last_mail_at=None,
    )
    assert f"{plan.at.astimezone(VIENNA):%m-%d %H:%M}" == "03-28 11:00"


@pytest.mark.parametrize(
    ("hours", "option"),
    [
        ({"hour": 6}, "mail_hour"),
        ({"hour": 20}, "mail_hour"),
        ({"before": 2}, "mail_hours_before"),
        ({"before": 73}, "mail_hours_before"),
        ({"quiet_from": 11}, "quiet_hours"),
        ({"quiet_until": 3}, "quiet_hours"),
        ({"quiet_until": 8}, "mail_hour"),
    ],
)
def test_hours_that_cannot_be_kept_are_refused(hours: dict[str, int], option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option}:"):
        MailHours(**hours)


def test_no_plan_breaks_a_promise() -> None:
    starts = [vienna("03-27 00:00") + timedelta(hours=5 * step) for step in range(20)]
    leads = [None, *(timedelta(hours=hours) for hours in (0, 1, 3, 9, 20, 30, 200))]
    lasts = [None, *(timedelta(hours=hours) for hours in (0, 6, 30))]
    for queued, lead, last, hour in product(starts, leads, lasts, (None, 0, 8, 19)):
        session = None if lead is None else queued + lead
        last_at = None if last is None else queued - last
        for timing in (MailTiming.BEFORE_SESSION, MailTiming.DAILY):
            hours = OWN_DAY if hour in {None, 8} else MailHours()
            times = MailTimes(timing, VIENNA, hours, hour)
            plan = plan_mail(queued, times, queued_at=queued, session_at=session, last_mail_at=last_at)
            local = plan.at.astimezone(VIENNA)
            assert hours.quiet_until <= local.hour < hours.quiet_from
            assert plan.at > queued
            assert last_at is None or not is_same_day(plan.at, last_at, VIENNA)
            if timing is MailTiming.BEFORE_SESSION and session is not None:
                assert not session - AT_LATEST < plan.at < session
