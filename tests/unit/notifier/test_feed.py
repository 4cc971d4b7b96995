"""A feed is silent after more than three times its usual gap, and only where it was regular."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest

from services.notifier.domain.feed import find_silence

MONDAY = date(2026, 3, 2)


def days(*offsets: int) -> list[date]:
    return [MONDAY + timedelta(days=offset) for offset in offsets]


WEEKDAYS = [day for day in range(28) if day % 7 < 5]
WEEKLY = list(range(0, 78, 7))
DAILY = list(range(12))


@pytest.mark.parametrize(
    ("sent", "gap", "silent_after"),
    [(WEEKDAYS, 3, 9), (WEEKLY, 7, 21), (DAILY, 1, 3)],
    ids=["on weekdays", "once a week", "every day"],
)
def test_the_silence_begins_after_three_usual_gaps(sent: list[int], gap: int, silent_after: int) -> None:
    last = days(sent[-1])[0]
    still = find_silence(days(*sent), last + timedelta(days=silent_after))
    silent = find_silence(days(*sent), last + timedelta(days=silent_after + 1))
    assert still is None
    assert silent is not None
    assert (silent.last_day, silent.usual_gap_days) == (last, gap)


@pytest.mark.parametrize("sent", [[], [0], list(range(10))], ids=["nothing", "one day", "nine gaps"])
def test_a_feed_that_is_not_known_to_be_regular_is_never_silent(sent: Sequence[int]) -> None:
    assert find_silence(days(*sent), date(2027, 1, 1)) is None


def test_one_holiday_does_not_make_a_long_gap_usual() -> None:
    with_holiday = [day if day < 14 else day + 14 for day in WEEKDAYS]
    silence = find_silence(days(*with_holiday), date(2026, 6, 1))
    assert silence is not None
    assert silence.usual_gap_days == 3
