"""Lowering a whole last form never lowers the risk, and hardly lowers it where marks stop at the lowest."""

from itertools import pairwise
from math import sqrt
from statistics import pvariance

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.forms import form

STEPS = 48
"""Component means of four items with 12 steps each."""

BETWEEN = 0.12
"""Not all possible originals of a form at the floor are scored; the risk may drop this much between them."""
marks = st.integers(0, STEPS)
stable_marks = st.integers(STEPS // 4, STEPS - 1)
forms = st.tuples(marks, marks, marks)


def _form(number: int, parts: tuple[int, int, int], below: int = 0) -> Form:
    bond, goal, task = ((part - below) / STEPS for part in parts)
    # Lowering all items alike does not change their spread.
    return replace(form(number, bond, goal, task), step=1 / 12, spread=0.06)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(forms, max_size=12), last=forms, steps=st.lists(marks, min_size=1, max_size=8))
def test_lowering_a_whole_last_form_never_lowers_the_risk(
    history: list[tuple[int, int, int]],
    last: tuple[int, int, int],
    steps: list[int],
    detector: TrainedDetector,
) -> None:
    before = [_form(number, parts) for number, parts in enumerate(history)]
    allowed = sorted({0, *(step for step in steps if step <= min(last))})
    lowered = [DyadForms(None, [*before, _form(len(history), last, step)]) for step in allowed]
    risks = [result.assessments[-1].risk for result in detector.assess(lowered)]
    assert sorted(risks) == risks


def test_the_risk_rises_all_the_way_down_from_the_top(detector: TrainedDetector) -> None:
    history = [_form(number, (40, 42, 41)) for number in range(6)]
    ways = [DyadForms(None, [*history, _form(6, (48, 48, 48), below)]) for below in range(STEPS + 1)]
    risks = [result.assessments[-1].risk for result in detector.assess(ways)]
    assert sorted(risks) == risks
    assert risks[0] < detector.threshold < risks[-1]


def _stopping(number: int, parts: tuple[int, int, int], below: int) -> Form:
    """Return the form lowered as far as the lowest mark, with the item spread that its components imply."""
    left = (max(parts[0] - below, 0), max(parts[1] - below, 0), max(parts[2] - below, 0))
    spread = sqrt(pvariance([part / STEPS for part in left]) + 0.1**2)
    return replace(_form(number, left), spread=spread)


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    history=st.lists(st.tuples(stable_marks, stable_marks, stable_marks), min_size=3, max_size=10),
    last=forms,
    steps=st.lists(marks, min_size=1, max_size=8),
)
def test_lowering_a_form_whose_components_stop_at_the_lowest_mark_hardly_lowers_the_risk(
    history: list[tuple[int, int, int]],
    last: tuple[int, int, int],
    steps: list[int],
    detector: TrainedDetector,
) -> None:
    before = [_form(number, parts) for number, parts in enumerate(history)]
    ways = [DyadForms(None, [*before, _stopping(len(history), last, step)]) for step in sorted({0, *steps})]
    risks = [result.assessments[-1].risk for result in detector.assess(ways)]
    assert min(b - a for a, b in pairwise([*risks, 1.0])) > -BETWEEN


def test_a_form_at_the_floor_is_as_risky_in_every_batch(detector: TrainedDetector) -> None:
    history = [_form(number, (40, 42, 41)) for number in range(4)]
    ways = [
        DyadForms(None, [*history, _form(4, parts)])
        for parts in ((0, 30, 30), (0, 0, 20), (0, 0, 0), (30, 30, 30), (10, 0, 40))
    ]
    together = [repr(result.assessments) for result in detector.assess(ways * 60)]
    assert [repr(detector.assess([way])[0].assessments) for way in ways] * 60 == together


def test_falling_to_the_floor_with_everything_is_as_risky_as_with_one_component(
    detector: TrainedDetector,
) -> None:
    history = [_form(number, (40, 42, 41)) for number in range(6)]
    one, all_ = (
        detector.assess([DyadForms(None, [*history, _form(6, parts)])])[0].assessments[-1].risk
        for parts in ((38, 19, 38), (0, 0, 0))
    )
    assert one > detector.threshold
    assert all_ >= one


def test_a_form_at_the_floor_without_possible_originals_has_a_risk(detector: TrainedDetector) -> None:
    history = [_form(number, (12, 12, 12)) for number in range(3)]
    for parts in ((0, 48, 48), (0, 0, 47)):
        found = detector.assess([DyadForms(None, [*history, _form(3, parts)])])[0].assessments[-1]
        assert 0 <= found.risk <= 1


def test_a_client_who_always_gives_the_lowest_mark_has_a_low_risk(detector: TrainedDetector) -> None:
    lowest = [_form(number, (0, 0, 0)) for number in range(8)]
    assert detector.assess([DyadForms(None, lowest)])[0].assessments[-1].risk < detector.threshold
