"""Episodes open and close by what the marks show, not by the risk alone; shown as timelines."""

from schemas.components import Component
from schemas.events import OpenedBy
from services.detector.domain.episode_state import EpisodeEnd
from services.detector.domain.session_risk import SessionRisk
from tests.support.detector.episode_timeline import folded, form, session, steps

BOND, GOAL, TASK, OVERALL = Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL
FELL = {BOND: 0.7, GOAL: 0.3, TASK: 0.7}
"""Goals fell by .4 from .7, so they are near again from .61 on."""
LOWER = {BOND: 0.7, GOAL: 0.45, TASK: 0.7}
NEAR = {BOND: 0.7, GOAL: 0.61, TASK: 0.7}


def early(ratings: int, mark: float, *, component: Component = GOAL, risk: float = 0.1) -> SessionRisk:
    """A form early in the course, with one component at this mark and the others at .7."""
    marks = {BOND: 0.7, TASK: 0.7, component: mark}
    return form(ratings, risk, marks, usual=None, ratings=ratings)


def none(week: float, risk: float = 0.65) -> SessionRisk:
    """A session without a form."""
    return session(week, risk, level=None)


# Low from the start


def test_a_component_at_a_quarter_of_the_scale_twice_opens_whatever_the_risk() -> None:
    state, done = folded(early(1, 0.25), early(2, 0.25))
    assert [(each.step, each.flagged) for each in done] == [("", False), ("opened", True)]
    assert [each.opened_by for each in state.episodes] == [OpenedBy.LOW_FROM_START]


def test_a_component_just_over_a_quarter_of_the_scale_opens_nothing() -> None:
    assert steps(early(1, 0.25), early(2, 0.26)) == ["", ""]


def test_another_component_low_at_the_second_form_opens_nothing() -> None:
    assert steps(early(1, 0.1), early(2, 0.1, component=BOND)) == ["", ""]


def test_a_low_mark_of_the_whole_session_alone_opens_nothing() -> None:
    assert steps(early(1, 0.1, component=OVERALL), early(2, 0.1, component=OVERALL)) == ["", ""]


def test_low_marks_later_than_the_second_form_open_nothing_by_this_rule() -> None:
    assert steps(early(1, 0.7), early(2, 0.1), early(3, 0.1)) == ["", "", ""]


def test_an_empty_form_between_the_first_two_does_not_count_as_one() -> None:
    assert steps(early(1, 0.2), none(1.5, 0.1), early(2, 0.2)) == ["", "", "opened"]


def test_sessions_are_flagged_as_long_as_the_component_stays_low() -> None:
    _, done = folded(early(1, 0.2), early(2, 0.2), early(3, 0.25), early(4, 0.3))
    assert [each.flagged for each in done] == [False, True, True, False]


def test_marks_that_stay_low_from_the_start_keep_the_episode_open() -> None:
    assert steps(*(early(number, 0.2) for number in range(1, 8))) == ["", "opened", *["open"] * 5]


def test_marks_that_were_low_from_the_start_repair_when_they_are_no_longer_very_low() -> None:
    sessions = early(1, 0.2), early(2, 0.2), early(3, 0.4), early(4, 0.4)
    assert steps(*sessions) == ["", "opened", "open", "repaired"]


def test_high_and_flat_marks_open_nothing() -> None:
    high = {BOND: 1.0, GOAL: 1.0, TASK: 1.0}
    assert steps(*(form(n, 0.1, high, usual=None, ratings=n) for n in range(1, 6))) == [""] * 5


# Repaired or settled


def test_marks_near_the_usual_level_at_the_opening_repair() -> None:
    assert steps(form(0, 0.6, FELL), form(1, 0.1, NEAR), form(2, 0.1, NEAR)) == ["opened", "open", "repaired"]


def test_the_usual_level_is_that_at_the_opening_however_far_it_moves_since() -> None:
    moved = [form(week, 0.1, LOWER, usual=0.45) for week in (1, 2, 3)]
    assert steps(form(0, 0.6, FELL), *moved) == ["opened", "open", "open", "open"]


def test_marks_that_stay_lower_settle_at_the_fourth_session_with_a_low_risk() -> None:
    lower = [form(week, 0.1, LOWER) for week in (1, 2, 3, 4)]
    state, done = folded(form(0, 0.6, FELL), *lower)
    assert [each.step for each in done] == ["opened", "open", "open", "open", "settled"]
    assert state.episodes[0].end is EpisodeEnd.SETTLED


def test_a_risk_at_the_lower_bound_restarts_settling() -> None:
    risks = [0.1, 0.1, 0.1, 0.35, 0.1, 0.1, 0.1]
    sessions = [form(week, risk, LOWER) for week, risk in enumerate(risks, start=1)]
    assert steps(form(0, 0.6, FELL), *sessions) == ["opened", *["open"] * 7]


def test_a_lower_form_restarts_the_repair_but_not_settling() -> None:
    marks = [LOWER, NEAR, LOWER, NEAR, NEAR]
    sessions = [form(week, 0.1, each) for week, each in enumerate(marks, start=1)]
    assert steps(form(0, 0.6, FELL), *sessions) == ["opened", "open", "open", "open", "open", "repaired"]


def test_a_component_that_fell_by_less_than_half_of_the_deepest_need_not_come_back() -> None:
    fell = {BOND: 0.55, GOAL: 0.3, TASK: 0.7}
    back = {BOND: 0.55, GOAL: 0.7, TASK: 0.7}
    assert steps(form(0, 0.6, fell), form(1, 0.1, back), form(2, 0.1, back))[-1] == "repaired"


def test_every_component_that_fell_must_come_back() -> None:
    fell = {BOND: 0.5, GOAL: 0.3, TASK: 0.7}
    back = {BOND: 0.5, GOAL: 0.7, TASK: 0.7}
    assert steps(form(0, 0.6, fell), form(1, 0.1, back), form(2, 0.1, back))[-1] == "open"


def test_half_of_a_small_fall_is_near() -> None:
    fell, half = {GOAL: 0.58}, {GOAL: 0.64}
    assert steps(form(0, 0.6, fell), form(1, 0.1, half), form(2, 0.1, half))[-1] == "repaired"


def test_a_form_without_the_component_neither_repairs_nor_settles() -> None:
    without = [form(week, 0.1, {BOND: 0.7}) for week in range(1, 8)]
    assert steps(form(0, 0.6, FELL), *without) == ["opened", *["open"] * 7]


# Empty forms


def test_an_empty_form_alone_opens_nothing() -> None:
    _, done = folded(form(0, 0.1, NEAR), none(1))
    assert [(each.step, each.flagged) for each in done] == [("", False), ("", False)]


def test_an_empty_form_opens_when_the_form_before_it_fell() -> None:
    lower = form(0, 0.25, {BOND: 0.7, GOAL: 0.6, TASK: 0.7})
    state, done = folded(lower, none(1))
    assert [each.step for each in done] == ["", "opened"]
    assert set(state.episodes[0].near_from) == {GOAL}


def test_an_empty_form_opens_nothing_when_the_form_before_it_had_a_low_risk() -> None:
    assert steps(form(0, 0.24, FELL), none(1)) == ["", ""]


def test_an_empty_form_after_a_fall_opens_nothing_when_its_own_risk_is_hardly_over_the_threshold() -> None:
    assert steps(form(0, 0.4, FELL), none(1, 0.64)) == ["", ""]


def test_an_empty_form_opens_nothing_when_the_form_before_it_was_hardly_lower() -> None:
    assert steps(form(0, 0.4, {GOAL: 0.601}), none(1)) == ["", ""]


def test_a_run_of_empty_forms_opens_when_it_breaks_the_habit() -> None:
    given = [form(week, 0.1, NEAR) for week in range(5)]
    assert steps(*given, none(5), none(6), none(7, 0.5)) == [*[""] * 7, "opened"]


def test_a_run_of_empty_forms_breaks_no_habit_of_four_sessions() -> None:
    given = [form(week, 0.1, NEAR) for week in range(4)]
    assert steps(*given, none(4), none(5), none(6), none(7)) == [""] * 8


def test_a_run_of_empty_forms_breaks_no_habit_of_a_client_who_often_gives_none() -> None:
    some = [form(week, 0.1, NEAR) if week in {0, 2, 4, 6} else none(week) for week in range(7)]
    assert steps(*some, none(7), none(8), none(9)) == [""] * 10


def test_an_episode_that_an_empty_form_opened_is_measured_from_the_first_marks() -> None:
    before = form(0, 0.4, {GOAL: 0.6})
    sessions = session(2, 0.6, level=0.5), session(3, 0.6, level=0.3)
    assert steps(before, none(1), *sessions) == ["", "opened", "open", "deepened"]
