"""Episodes open and close by the usual level of the client's own forms, whatever the model's baseline is."""

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from schemas.components import Component
from services.detector.domain.fall import FORMS_READ
from services.detector.domain.session_risk import SessionRisk
from tests.support.detector.episode_timeline import folded, form, steps

BOND, GOAL, TASK = Component.BOND, Component.GOAL, Component.TASK
USUAL = 0.8
HIGH, LOW = 0.9, 0.1
BEFORE = [(USUAL, LOW)] * 4
OPENED = [*[""] * 4, "opened"]


def course(*goals: tuple[float, float], bond: Sequence[float] = ()) -> list[SessionRisk]:
    """Return a session for each mark of goals and risk; the model's baseline is far below the marks."""
    bonds = [*bond, *[USUAL] * (len(goals) - len(bond))]
    ratings = accumulate([1] * len(goals))
    return [
        form(week, risk, {BOND: bonds[week], GOAL: mark, TASK: USUAL}, usual=0.2, ratings=number)
        for (week, (mark, risk)), number in zip(enumerate(goals), ratings, strict=True)
    ]


def test_what_fell_and_its_usual_level_come_from_the_forms() -> None:
    state, done = folded(*course(*BEFORE, (0.4, HIGH)))
    assert [each.step for each in done] == OPENED
    assert state.episodes[0].near_from == {GOAL: 0.71}
    assert state.episodes[0].usual[GOAL].level == USUAL


def test_marks_near_the_own_usual_level_repair() -> None:
    assert steps(*course(*BEFORE, (0.4, HIGH), (0.71, LOW), (0.71, LOW))) == [*OPENED, "open", "repaired"]


def test_marks_over_the_baseline_but_under_the_own_usual_level_settle() -> None:
    lower = [(0.6, LOW)] * 4
    assert steps(*course(*BEFORE, (0.4, HIGH), *lower)) == [*OPENED, "open", "open", "open", "settled"]


def test_low_forms_between_usual_ones_do_not_settle() -> None:
    goals = [(0.6, LOW), (0.8, LOW), (0.6, LOW), (0.8, LOW), (0.8, LOW)]
    assert steps(*course(*BEFORE, (0.4, HIGH), *goals))[5:] == ["open", "open", "open", "open", "repaired"]


def test_one_low_form_at_the_fourth_session_does_not_settle() -> None:
    goals = [(0.6, LOW), (0.8, LOW), (0.8, LOW), (0.6, LOW)]
    bond = [*[USUAL] * 6, 0.7, 0.7]
    assert steps(*course(*BEFORE, (0.4, HIGH), *goals, bond=bond)) == [*OPENED, *["open"] * 4]


def test_a_component_that_fell_later_keeps_a_repair_waiting() -> None:
    back = [(0.8, LOW)] * 3
    bond = [*[USUAL] * 5, 0.7, 0.7, 0.72]
    assert steps(*course(*BEFORE, (0.4, HIGH), *back, bond=bond)) == [*OPENED, "open", "open", "open"]


def test_a_component_that_fell_when_the_episode_deepened_must_come_back() -> None:
    sessions = course(*BEFORE, (0.4, HIGH), (0.6, HIGH), bond=[*[USUAL] * 5, 0.1])
    state, done = folded(*sessions)
    assert done[-1].step == "deepened"
    assert set(state.episodes[0].near_from) == {BOND}


def test_a_deeper_form_without_what_fell_leaves_what_must_come_back() -> None:
    overall = form(5, HIGH, {Component.OVERALL: 0.1}, ratings=6)
    state, done = folded(*course(*BEFORE, (0.4, HIGH)), overall)
    assert done[-1].step == "deepened"
    assert state.episodes[0].near_from == {GOAL: 0.71}


def test_a_form_without_any_lower_component_opens_nothing() -> None:
    _, done = folded(*course(*BEFORE, (USUAL, HIGH), (0.79, HIGH)))
    assert [(each.step, each.flagged) for each in done[4:]] == [("", False), ("opened", True)]


def test_a_form_opens_by_the_risk_alone_while_no_usual_level_is_known() -> None:
    assert steps(*course((USUAL, LOW), (USUAL, HIGH))) == ["", "opened"]


def test_forms_missing_from_a_stored_state_leave_the_baseline() -> None:
    later = [each._replace(ratings=each.ratings + 1) for each in course(*BEFORE, (USUAL, HIGH))]
    state, done = folded(*later)
    assert done[-1].step == "opened"
    assert state.episodes[0].usual == {}


def test_the_stored_state_stays_small() -> None:
    state, _ = folded(*course(*[(0.123456, LOW)] * 60))
    assert len(state.marks) == FORMS_READ
    assert len(msgspec.msgpack.encode(state)) < 700
