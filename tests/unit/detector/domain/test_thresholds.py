"""A session takes the threshold valid at its time; a practice's own keeps its false-alarm budget."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from services.detector.domain.dated_rows import Threshold, default_threshold, next_midnight, threshold_at
from services.detector.domain.reference import QUANTITIES, Bins, Reference
from services.detector.domain.thresholds import (
    MODEL_SESSIONS,
    model_threshold,
    shrunk_threshold,
    threshold_for_false_alarms,
)

DEFAULT = default_threshold("m1", 0.5)
MONDAY = datetime(2026, 1, 5, 10, tzinfo=UTC)
FIRST = Threshold("own-1", 0.4, MONDAY)
SECOND = Threshold("own-2", 0.3, MONDAY + timedelta(days=7))
LATER = MONDAY + timedelta(days=300)
REFERENCE = Reference(
    model_version="m1",
    sessions=1,
    shares=dict.fromkeys(QUANTITIES, Bins(edges=(), shares=(1.0,))),
    thresholds={2: 0.7, 5: 0.5, 10: 0.3},
)


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


def test_a_model_knows_its_threshold_for_its_own_share_and_others_from_its_reference() -> None:
    assert model_threshold(0.45, REFERENCE, 0.05) == 0.45
    assert model_threshold(0.45, REFERENCE, 0.02) == 0.7
    assert model_threshold(0.45, None, 0.05) == 0.45
    assert model_threshold(0.45, None, 0.02) is None


def test_a_threshold_moves_from_the_models_to_the_practices_own_with_its_sessions() -> None:
    drawn = [shrunk_threshold(0.2, 0.6, sessions) for sessions in (0, 50, 100, 1_000, 1_000_000)]
    assert drawn == sorted(drawn, reverse=True)
    assert drawn[0] == 0.6
    assert drawn[-1] == pytest.approx(0.2, abs=0.001)
    # The odds 1/4 and 3/2 weigh alike, so those of the threshold are the root of 3/8.
    odds = (3 / 8) ** 0.5
    assert shrunk_threshold(0.2, 0.6, MODEL_SESSIONS) == pytest.approx(odds / (1 + odds), abs=1e-6)


def test_a_threshold_of_a_model_that_knows_none_for_the_share_is_the_practices_own() -> None:
    assert shrunk_threshold(0.2, None, 1) == 0.2


@pytest.mark.parametrize("own", [0.0, 1.0])
def test_an_own_threshold_at_the_end_of_the_scale_is_drawn_inside(own: float) -> None:
    assert 0 < shrunk_threshold(own, 0.5, 400) < 1


def test_the_drawn_threshold_of_few_sessions_is_nearer_to_that_of_many() -> None:
    rng = np.random.default_rng(3)

    def threshold(log_odds: np.ndarray) -> float:
        return threshold_for_false_alarms(list(1 / (1 + np.exp(-log_odds))), (), 0.05)

    of_model = threshold(rng.normal(-2.4, 1.3, 20_000))
    alone, drawn = [], []
    for _ in range(30):
        log_odds = rng.normal(-2.4 + rng.normal(0, 0.2), 1.3, 20_000)
        few, many = threshold(log_odds[:400]), threshold(log_odds)
        alone.append(abs(few - many))
        drawn.append(abs(shrunk_threshold(few, of_model, 400) - many))
    assert np.mean(drawn) < 0.95 * np.mean(alone)


def test_a_threshold_is_valid_from_the_next_midnight() -> None:
    assert datetime(2026, 1, 6, tzinfo=UTC) == next_midnight(MONDAY)


def test_a_midnight_that_is_too_near_for_open_transactions_is_passed_over() -> None:
    assert datetime(2026, 1, 7, tzinfo=UTC) == next_midnight(MONDAY.replace(hour=23, minute=56))
