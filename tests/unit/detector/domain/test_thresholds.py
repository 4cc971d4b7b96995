"""A session takes the threshold valid at its time; a practice's own keeps its false-alarm budget."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.detector.domain.dated_rows import Threshold, default_threshold, next_midnight, threshold_at
from services.detector.domain.thresholds import threshold_for_false_alarms

DEFAULT = default_threshold("m1", 0.5)
MONDAY = datetime(2026, 1, 5, 10, tzinfo=UTC)
FIRST = Threshold("own-1", 0.4, MONDAY)
SECOND = Threshold("own-2", 0.3, MONDAY + timedelta(days=7))
LATER = MONDAY + timedelta(days=300)


@pytest.mark.parametrize(
    ("expected", "days"),
    [("default-m1", -1), ("own-1", 0), ("own-1", 6), ("own-2", 7), ("own-2", 200)],
)
def test_a_session_takes_the_threshold_valid_at_its_time(expected: str, days: int) -> None:
    at = MONDAY + timedelta(days=days)
    assert expected == threshold_at((FIRST, SECOND), DEFAULT, at, LATER).version


def test_a_session_dated_after_its_acceptance_takes_the_threshold_of_the_acceptance() -> None:
    ahead = MONDAY + timedelta(days=8)
    assert threshold_at((FIRST, SECOND), DEFAULT, ahead, MONDAY + timedelta(days=1)) == FIRST


def test_a_practice_without_thresholds_takes_the_models_own() -> None:
    assert threshold_at((), DEFAULT, MONDAY, MONDAY) == DEFAULT


def test_the_false_alarm_budget_is_kept() -> None:
    risks = np.random.default_rng(1).beta(0.4, 3, 4000)
    never = list(risks[:500])
    able = list(risks[500:])
    threshold = threshold_for_false_alarms(able, never, 0.05)
    flagged = sum(1 - p for p in able if p >= threshold) / sum(1 - p for p in risks)
    assert flagged == pytest.approx(0.05, abs=0.002)


def test_equal_risks_are_flagged_together_or_not_at_all() -> None:
    threshold = threshold_for_false_alarms([0.2] * 50 + [0.9], (), 0.05)
    assert 0.2 < threshold <= 0.9


def test_a_threshold_is_valid_from_the_next_midnight() -> None:
    assert datetime(2026, 1, 6, tzinfo=UTC) == next_midnight(MONDAY)


def test_a_midnight_that_is_too_near_for_open_transactions_is_passed_over() -> None:
    assert datetime(2026, 1, 7, tzinfo=UTC) == next_midnight(MONDAY.replace(hour=23, minute=56))
