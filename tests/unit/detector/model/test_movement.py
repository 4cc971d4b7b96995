"""The kind of movement that is named agrees with the one that was simulated."""

import numpy as np
import pytest

from lab.evaluation.explanation_accuracy import ExplanationCounts, count_explanations
from lab.product_path import assess_cohort
from lab.simulator.cohort import simulate
from lab.simulator.scenarios import SCENARIOS
from schemas.events import Movement
from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.forms import STEADY, assessed, form, level_forms

OLD_SLIDES, OLD_EVERYTHING, OLD_WRONG = 0.10, 0.27, 0.50
"""Shares at the first flag under the rule before: a fall was sudden when one of the last two sessions brought
half of it; of slides and of falls of everything those named so, of all falls those named wrongly."""
FALLS = (Movement.SUDDEN_FALL, Movement.SLOW_SLIDE, Movement.EVERYTHING)


@pytest.fixture(scope="module")
def found(detector: TrainedDetector) -> ExplanationCounts:
    """Caught ruptures of a cohort of each kind that the model was not trained on."""
    total = ExplanationCounts()
    for name, scenario in SCENARIOS.items():
        rng = np.random.default_rng([17, *name.encode()])
        cohort = simulate(rng, 400, scenario(rng))
        total.add(count_explanations(cohort, assess_cohort(detector, cohort)))
    return total


def share(found: ExplanationCounts, true: Movement, named: str, after: int = 0) -> float:
    """Return the share of ruptures of the true kind for which this kind was named."""
    counts = found.named_for(true, after)
    return counts[named] / counts.total()


def wrong(found: ExplanationCounts, after: int) -> float:
    """Return the share of all falls for which a kind other than the true one was named."""
    named = [(found.named_for(true, after), true) for true in FALLS]
    total = sum(counts.total() for counts, _ in named)
    return sum(counts.total() - counts[true] - counts[""] for counts, true in named) / total


def test_slides_are_named_far_more_often_than_by_their_last_two_drops(found: ExplanationCounts) -> None:
    assert share(found, Movement.SLOW_SLIDE, "slow-slide") > 2.5 * OLD_SLIDES
    assert share(found, Movement.SLOW_SLIDE, "slow-slide", after=1) > 0.3


def test_falls_of_everything_are_named_more_often(found: ExplanationCounts) -> None:
    assert share(found, Movement.EVERYTHING, "everything") > OLD_EVERYTHING + 0.05


def test_sudden_falls_are_seldom_named_slides(found: ExplanationCounts) -> None:
    assert share(found, Movement.SUDDEN_FALL, "slow-slide") < share(found, Movement.SLOW_SLIDE, "slow-slide")
    assert share(found, Movement.SUDDEN_FALL, "sudden-fall") > 0.35


def test_fewer_falls_are_named_wrongly_the_more_sessions_follow(found: ExplanationCounts) -> None:
    assert wrong(found, 0) < OLD_WRONG - 0.05
    assert wrong(found, 2) < wrong(found, 0)


def test_declined_forms_are_always_named(found: ExplanationCounts) -> None:
    assert share(found, Movement.DECLINED_FORMS, "declined-forms") == 1.0


def test_a_deep_slide_is_named_at_each_of_its_later_sessions(detector: TrainedDetector) -> None:
    slide = level_forms([*STEADY, 0.74, 0.66, 0.58, 0.50])
    assert [assessed(detector, slide[:seen]).movement for seen in (7, 8, 9)] == [Movement.SLOW_SLIDE] * 3


def test_a_sudden_fall_that_lasts_is_still_named_sudden(detector: TrainedDetector) -> None:
    fallen = [form(number, 0.78, 0.45, 0.80) for number in range(5, 8)]
    for seen in (1, 2, 3):
        assert assessed(detector, [*level_forms(STEADY), *fallen[:seen]]).movement is Movement.SUDDEN_FALL


@pytest.mark.parametrize("levels", [(0.72,), (0.76, 0.70)], ids=["one small step", "two"])
def test_a_single_small_step_is_not_named_a_slide(
    levels: tuple[float, ...], detector: TrainedDetector
) -> None:
    last = assessed(detector, level_forms([*STEADY, *levels]))
    assert (last.movement is Movement.SLOW_SLIDE) == (len(levels) > 1)


def test_forms_older_than_those_kept_do_not_change_the_movement_that_is_named(
    detector: TrainedDetector,
) -> None:
    def history(first: float) -> list[Form]:
        return level_forms([first, *[0.8] * 14, 0.5])

    one, other = (detector.assess([DyadForms(None, history(level))])[0] for level in (0.8, 0.7))
    assert one.assessments[-1].movement is other.assessments[-1].movement is Movement.EVERYTHING
