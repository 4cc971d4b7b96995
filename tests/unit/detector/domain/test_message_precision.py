"""The precision stated with a message is that of its kind, as simulated or by its practice's own answers."""

import pytest

from schemas.components import Component
from schemas.facts import Shape, Standing
from schemas.message_precision import PrecisionSource
from services.detector.contracts import StatedComponent, StatedFacts, StatedPrecision
from services.detector.domain.message_precision import (
    MIN_ANSWERS,
    MeasuredPrecision,
    kinds_of,
    stated_precision,
    wilson,
)

ONE = MeasuredPrecision(right=0.5, low=0.4, high=0.6, messages=120)
ANY = MeasuredPrecision(right=0.7, low=0.6, high=0.8, messages=900)


def facts(shape: Shape, *fell: Component) -> StatedFacts:
    """Facts in which these components fell and the others held."""
    return StatedFacts(
        shape,
        tuple(StatedComponent(one, Standing.FELL if one in fell else Standing.HELD) for one in Component),
    )


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (facts(Shape.STEP, Component.GOAL), "step, one"),
        (facts(Shape.STEP, Component.GOAL, Component.OVERALL), "step, one"),
        (facts(Shape.SLIDE, Component.OVERALL), "slide, one"),
        (facts(Shape.SLIDE, Component.GOAL, Component.TASK), "slide, several"),
        (facts(Shape.UNCLEAR, Component.BOND, Component.GOAL, Component.TASK), "unclear, all"),
        (facts(Shape.UNCLEAR), "unclear, none"),
        (facts(Shape.NO_FORM), "no-form"),
        (facts(Shape.LOW_FROM_START, Component.GOAL), "low-from-start"),
    ],
)
def test_a_kind_is_a_shape_and_how_many_components_fell(found: StatedFacts, kind: str) -> None:
    assert kinds_of(found)[0] == kind


def test_the_figure_of_the_kind_is_stated_and_where_there_is_none_that_of_the_shape() -> None:
    measured = {"step": ANY, "step, one": ONE}
    stated = [
        stated_precision(facts(Shape.STEP, *fell), {}, measured)
        for fell in ((Component.GOAL,), (Component.GOAL, Component.BOND))
    ]
    assert stated == [
        StatedPrecision(0.5, 0.4, 0.6, 120, PrecisionSource.SIMULATED),
        StatedPrecision(0.7, 0.6, 0.8, 900, PrecisionSource.SIMULATED),
    ]


def test_nothing_is_stated_of_a_kind_that_nobody_measured() -> None:
    assert stated_precision(facts(Shape.SLIDE, Component.GOAL), {}, {"step": ANY}) is None


@pytest.mark.parametrize(
    ("answers", "source"),
    [(MIN_ANSWERS - 1, PrecisionSource.SIMULATED), (MIN_ANSWERS, PrecisionSource.PRACTICE)],
)
def test_a_practices_own_answers_about_the_kind_are_stated_from_fifty_on(
    answers: int, source: PrecisionSource
) -> None:
    own = {"step, one": (20, answers), "step, all": (1000, 1000)}
    stated = stated_precision(facts(Shape.STEP, Component.GOAL), own, {"step, one": ONE})
    assert stated is not None
    assert stated.source is source
    assert stated.right == (0.4 if source is PrecisionSource.PRACTICE else 0.5)
    assert stated.messages == (MIN_ANSWERS if source is PrecisionSource.PRACTICE else 120)


def test_the_interval_is_wide_for_few_messages_and_stays_within_0_and_1() -> None:
    few, many = wilson(3, 5), wilson(600, 1000)
    assert many.high - many.low == pytest.approx(0.051, abs=0.001)
    assert few.high - few.low == pytest.approx(0.585, abs=0.001)
    assert (wilson(0, 10).low, wilson(10, 10).high) == (0.0, 1.0)
