"""Drift is measured against the data that the model was trained on."""

from math import isnan, log, nan

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from schemas.components import Component
from services.detector.domain.assessment import Assessment, ComponentFinding
from services.detector.domain.reference import (
    ENOUGH,
    HALF_LIFE,
    QUANTITIES,
    Bins,
    DriftMonitor,
    Reference,
    bin_counts,
    drift_quantities,
    equal_share_bins,
    stability_index,
)
from services.detector.metrics import DetectorMetrics

HALVES = Bins(edges=(0.5,), shares=(0.5, 0.5))
REFERENCE = Reference(
    model_version="toy-1",
    sessions=100,
    shares=dict.fromkeys(QUANTITIES, HALVES) | {"ratings": Bins(edges=(5.0,), shares=(0.5, 0.5))},
    thresholds={2: 0.6, 5: 0.4, 10: 0.2},
)


def assessed(risk: float, level: float = 0.5, ratings: int = 5) -> Assessment:
    parts = {
        Component.BOND: ComponentFinding(risk, level, 0.8),
        Component.GOAL: ComponentFinding(0.0, nan, 0.7),
    }
    return Assessment(risk, parts, Component.BOND, None, ratings, level)


def test_quantities_are_risk_level_largest_drop_and_number_of_forms() -> None:
    assert drift_quantities(assessed(0.25, 0.6, 7)) == pytest.approx((0.25, 0.6, 0.2, 7.0))


def test_a_declined_form_has_neither_level_nor_drop() -> None:
    risk, level, drop, ratings = drift_quantities(Assessment(0.3, {}, None, None, 4, nan))
    assert (risk, ratings) == (0.3, 4.0)
    assert isnan(level)
    assert isnan(drop)


def test_the_index_is_the_sum_over_bins() -> None:
    expected = (0.75 - 0.5) * log(0.75 / 0.5) + (0.25 - 0.5) * log(0.25 / 0.5)
    assert stability_index((0.5, 0.5), np.array([3.0, 1.0])) == pytest.approx(expected)


def test_an_empty_bin_gives_a_finite_index() -> None:
    assert 1 < stability_index((0.5, 0.5), np.array([7.0, 0.0])) < 10


def test_a_value_at_an_edge_is_in_the_bin_above_it() -> None:
    assert bin_counts((0.2, 0.5), [0.1, 0.2, 0.49, 0.5, 0.9, nan]).tolist() == [1, 2, 2]


def test_bins_hold_equal_shares_of_the_values_they_were_made_of() -> None:
    bins = equal_share_bins(np.linspace(0, 1, 1001))
    assert len(bins.shares) == 10
    assert bins.shares == pytest.approx((0.1,) * 10, abs=0.002)


def test_repeated_values_make_fewer_bins_and_all_values_are_in_one() -> None:
    bins = equal_share_bins([1.0] * 60 + [2.0] * 40)
    assert bins == Bins(edges=(2.0,), shares=(0.6, 0.4))


def test_with_too_few_sessions_there_is_no_index() -> None:
    drift = DriftMonitor(REFERENCE)
    for _ in range(ENOUGH - 1):
        drift.add([assessed(0.9)])
    assert isnan(drift.index("risk"))


def test_the_index_is_small_for_sessions_like_the_training_and_large_for_others() -> None:
    drift = DriftMonitor(REFERENCE)
    for number in range(2 * ENOUGH):
        drift.add([assessed(0.9 if number % 2 else 0.1, level=0.9)])
    assert drift.index("risk") < 0.001
    assert drift.index("level") > 0.25


def test_old_sessions_are_forgotten() -> None:
    drift = DriftMonitor(REFERENCE)
    for _ in range(2 * ENOUGH):
        drift.add([assessed(0.9)])
    before = drift.index("risk")
    for number in range(6 * HALF_LIFE):
        drift.add([assessed(0.9 if number % 2 else 0.1)])
    assert drift.index("risk") < before / 100


def test_without_a_reference_there_is_no_index() -> None:
    drift = DriftMonitor(None)
    drift.add([assessed(0.9)])
    assert isnan(drift.index("risk"))


def test_metrics_show_the_index_when_they_are_read() -> None:
    registry, drift = CollectorRegistry(), DriftMonitor(REFERENCE)
    metrics = DetectorMetrics(registry)
    labels = {"quantity": "risk"}
    assert isnan(registry.get_sample_value("rapport_drift_stability_index", labels) or 0.0)
    metrics.watch(drift)
    for _ in range(2 * ENOUGH):
        drift.add([assessed(0.9)])
    assert registry.get_sample_value("rapport_drift_stability_index", labels) == drift.index("risk")


@pytest.mark.parametrize(("per_100", "expected"), [(2, 0.6), (5, 0.4), (7.5, 0.3), (1, 0.6), (20, 0.2)])
def test_a_starting_threshold_lies_between_the_known_ones(per_100: float, expected: float) -> None:
    assert REFERENCE.threshold_for(per_100) == pytest.approx(expected)
