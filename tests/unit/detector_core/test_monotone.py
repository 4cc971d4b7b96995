"""Lowering a whole last form never lowers the risk."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.detector.core import DyadForms
from services.detector.history import Form
from services.detector.model.detector import TrainedDetector
from tests.unit.detector_core.making import form

STEPS = 48
"""Component means of four items with 12 steps each."""

marks = st.integers(0, STEPS)
forms = st.tuples(marks, marks, marks)


def _form(number: int, parts: tuple[int, int, int], below: int = 0) -> Form:
    bond, goal, task = ((part - below) / STEPS for part in parts)
    # Lowering all items alike leaves their spread as it is.
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
