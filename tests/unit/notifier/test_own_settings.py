"""A therapist's own settings: only what the form offers is taken, and what is set comes first."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from services.notifier.channels.channel import Channel, MailTiming
from services.notifier.domain.mail_plan import MailHours, MailTimes
from services.notifier.domain.therapist import OwnSettings, Therapist
from services.notifier.web.settings_pages import read_own_settings

HOURS = MailHours()
TODAY = date(2026, 11, 18)
SENT = {"language": "de", "mail": "on", "timing": "daily", "hour": "9"}


def test_a_form_as_it_is_offered_is_taken() -> None:
    assert read_own_settings(SENT, "2026-12-24", TODAY, HOURS) == OwnSettings(
        "de", mail_on=True, mail_timing=MailTiming.DAILY, mail_hour=9, paused_until=date(2026, 12, 24)
    )
    empty = {"language": "", "mail": "off", "timing": "", "hour": ""}
    assert read_own_settings(empty, "", TODAY, HOURS) == OwnSettings(mail_on=False)


@pytest.mark.parametrize("past", ["2026-11-18", "2026-11-17", "1999-01-01"])
def test_a_pause_that_is_over_is_none(past: str) -> None:
    own = read_own_settings(SENT, past, TODAY, HOURS)
    assert own is not None
    assert own.paused_until is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("language", "fr"), ("mail", ""), ("timing", "hourly"), ("hour", "6"), ("hour", "20"), ("hour", "x")],
)
def test_a_value_that_is_not_offered_is_refused(field: str, value: str) -> None:
    assert read_own_settings({**SENT, field: value}, "", TODAY, HOURS) is None


def test_the_hours_that_the_practice_offers_are_taken() -> None:
    late = MailHours(hour=10, quiet_from=22, quiet_until=10)
    taken = [hour for hour in range(24) if read_own_settings({**SENT, "hour": str(hour)}, "", TODAY, late)]
    assert taken == list(range(10, 22))


@pytest.mark.parametrize("until", ["2027-11-20", "24.12.2026", "9999-12-31"])
def test_a_pause_without_a_near_end_is_refused(until: str) -> None:
    assert read_own_settings(SENT, until, TODAY, HOURS) is None


@pytest.mark.parametrize(
    ("own", "entry", "timing"),
    [
        (None, None, MailTiming.BEFORE_SESSION),
        (None, MailTiming.DAILY, MailTiming.DAILY),
        (MailTiming.IMMEDIATE, MailTiming.DAILY, MailTiming.IMMEDIATE),
    ],
)
def test_the_own_timing_comes_before_the_entrys_and_this_before_the_practices(
    own: MailTiming | None, entry: MailTiming | None, timing: MailTiming
) -> None:
    settings = OwnSettings(mail_timing=own, mail_hour=8)
    therapist = Therapist("north", "t-1", time_zone="Europe/Vienna", mail_timing=entry, own=settings)
    hours = MailHours(before=48)
    times = therapist.mail_times(MailTiming.BEFORE_SESSION, hours)
    assert times == MailTimes(timing, ZoneInfo("Europe/Vienna"), hours, 8)
    assert times.hour == 8


@pytest.mark.parametrize(
    ("locale", "own", "read"),
    [("de-CH", None, "de-CH"), ("de-CH", "de", "de-CH"), ("de-CH", "en", "en"), ("en", "de", "de")],
)
def test_the_own_language_keeps_the_country_where_it_is_the_same(
    locale: str, own: str | None, read: str
) -> None:
    assert Therapist("north", "t-1", locale=locale, own=OwnSettings(own)).reading_locale == read


def test_only_mail_can_be_switched_off() -> None:
    both = (Channel.EMAIL, Channel.WEBHOOK)
    therapist = Therapist("north", "t-1", channels=both, own=OwnSettings(mail_on=False))
    assert [therapist.wants(channel) for channel in both] == [False, True]
