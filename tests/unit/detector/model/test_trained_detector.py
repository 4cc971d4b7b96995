"""The detector gives every history a risk, and the one that a clinician would expect."""

from math import isnan, nan

import pytest
from msgspec.structs import replace

from schemas.components import Component
from schemas.events import Movement
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.domain.form import Form
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.forms import STEADY, assessed, declined, form, level_forms


@pytest.fixture(scope="module")
def results(detector: TrainedDetector, dyads: list[DyadForms]) -> list[DyadAssessments]:
    """Return the assessments of all simulated histories."""
    return detector.assess(dyads)


def test_every_risk_is_a_probability(results: list[DyadAssessments]) -> None:
    assert all(0 <= found.risk <= 1 for result in results for found in result.assessments)


def test_shares_of_the_components_add_up_to_at_most_the_risk(results: list[DyadAssessments]) -> None:
    found = [one for result in results for one in result.assessments]
    assert all(sum(part.risk for part in one.components.values()) <= one.risk for one in found)
    assert all(part.risk >= 0 for one in found for part in one.components.values())


def test_the_leading_component_has_the_greatest_share(results: list[DyadAssessments]) -> None:
    for result in results:
        for found in result.assessments:
            if found.leading is not None:
                greatest = max(part.risk for part in found.components.values())
                assert greatest == found.components[found.leading].risk


def test_the_baseline_is_on_the_scale(results: list[DyadAssessments]) -> None:
    baselines = [
        part.baseline
        for result in results
        for found in result.assessments
        for part in found.components.values()
        if not isnan(part.baseline)
    ]
    assert min(baselines) >= 0
    assert max(baselines) <= 1


@pytest.mark.parametrize(
    "forms",
    [
        level_forms([0.8]),
        level_forms([0.0]),
        [declined(0)],
        [declined(number) for number in range(6)],
        [form(0, 0.8, nan, 0.8)],
        [form(0, nan, nan, nan, overall=0.7), form(1, nan, nan, nan, overall=0.3)],
        [form(0, 0.8, nan, nan), form(1, nan, 0.7, nan), form(2, nan, nan, 0.9)],
    ],
    ids=["one form", "one lowest form", "declined", "declined only", "one open", "overall only", "in turns"],
)
def test_an_unusual_history_has_a_risk(forms: list[Form], detector: TrainedDetector) -> None:
    found = assessed(detector, forms)
    assert 0 <= found.risk <= 1
    assert found.ratings == sum(one.answered > 0 for one in forms)


def test_a_fall_raises_the_risk_over_the_threshold(detector: TrainedDetector) -> None:
    steady = assessed(detector, level_forms(STEADY))
    fallen = assessed(detector, level_forms([*STEADY, 0.5]))
    assert steady.risk < 0.1 < detector.threshold < fallen.risk


def test_a_smaller_fall_does_so_once_it_has_lasted_two_forms(detector: TrainedDetector) -> None:
    once = assessed(detector, level_forms([*STEADY, 0.6]))
    twice = assessed(detector, level_forms([*STEADY, 0.6, 0.6]))
    assert once.risk < detector.threshold < twice.risk


def test_marks_that_come_back_lower_the_risk_again(detector: TrainedDetector) -> None:
    assert assessed(detector, level_forms([*STEADY, 0.5, 0.8, 0.81])).risk < detector.threshold


def test_high_flat_marks_have_a_low_risk(detector: TrainedDetector) -> None:
    assert assessed(detector, level_forms([1.0] * 10)).risk < detector.threshold / 2


def test_one_open_item_does_not_make_the_risk_jump(detector: TrainedDetector) -> None:
    history = level_forms(STEADY)
    whole = assessed(detector, [*history, form(5, 0.8, 0.8, 0.8)])
    partly = assessed(detector, [*history, replace(form(5, 0.8, 0.8, 0.8), answered=11)])
    assert abs(whole.risk - partly.risk) < 0.02


@pytest.mark.parametrize(
    ("marks", "leading"),
    [
        ((0.45, 0.8, 0.8), Component.BOND),
        ((0.8, 0.45, 0.8), Component.GOAL),
        ((0.8, 0.8, 0.45), Component.TASK),
    ],
)
def test_the_component_that_fell_leads(
    marks: tuple[float, float, float], leading: Component, detector: TrainedDetector
) -> None:
    assert leading is assessed(detector, [*level_forms(STEADY), form(5, *marks)]).leading


def test_a_component_without_a_mark_does_not_lead_a_form_that_has_others(detector: TrainedDetector) -> None:
    found = assessed(detector, [*level_forms(STEADY), form(5, 0.75, nan, 0.5)])
    assert found.leading is Component.TASK
    assert found.components[Component.GOAL].risk == 0


def test_the_baseline_is_that_before_the_form(detector: TrainedDetector) -> None:
    found = assessed(detector, [*level_forms(STEADY), form(5, 0.4, 0.4, 0.4)])
    assert found.components[Component.BOND].baseline == pytest.approx(0.8, abs=0.03)


def test_there_is_no_baseline_before_the_first_form(detector: TrainedDetector) -> None:
    assert isnan(assessed(detector, level_forms([0.8])).components[Component.GOAL].baseline)


@pytest.mark.parametrize(
    ("forms", "expected"),
    [
        ([*level_forms(STEADY), form(5, 0.75, 0.4, 0.8)], Movement.SUDDEN_FALL),
        (level_forms([*STEADY, 0.45]), Movement.EVERYTHING),
        (level_forms([*STEADY, 0.74, 0.68, 0.62, 0.56]), Movement.SLOW_SLIDE),
        ([*level_forms(STEADY), declined(5), declined(6)], Movement.DECLINED_FORMS),
        (level_forms([0.2]), Movement.LOW_FROM_START),
        (level_forms([*STEADY, 0.85]), None),
        (level_forms([1.0] * 6), None),
    ],
    ids=["sudden", "everything", "slow", "declined", "low", "none", "at the top"],
)
def test_the_kind_of_movement_is_named(
    forms: list[Form], expected: Movement | None, detector: TrainedDetector
) -> None:
    assert expected is assessed(detector, forms).movement


def test_the_version_and_the_threshold_are_the_manifests(detector: TrainedDetector) -> None:
    assert detector.version.startswith("gb-")
    assert 0 < detector.threshold < 1


def test_the_heartbeats_history_has_the_expected_risk(detector: TrainedDetector) -> None:
    found = assessed(detector, detector.heartbeat.forms)
    assert detector.heartbeat.expected_risk == pytest.approx(found.risk, abs=1e-6)
