"""What the marks show is stated of the right form and the right components: shown on tiny courses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from schemas.components import Component
from schemas.facts import Shape, Standing
from services.detector.contracts import StatedComponent, StatedEmptyForms, StatedFacts
from services.detector.domain.fall import low_from_start
from services.detector.published.facts import SessionMarks, find_facts

MONDAY = datetime(2026, 1, 5, 10, tzinfo=UTC)
NONE = None
BOND, GOAL, TASK, OVERALL = Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL


def week(number: int) -> datetime:
    return MONDAY + timedelta(weeks=number)


def course(**columns: Sequence[float | None]) -> list[SessionMarks]:
    """Return weekly sessions from columns of marks from 0 to 10; None where a form has no mark."""
    return [
        SessionMarks(
            week(number),
            {
                Component(name): round(mark / 10, 6)
                for name, mark in zip(columns, row, strict=True)
                if mark is not None
            },
        )
        for number, row in enumerate(zip(*columns.values(), strict=True))
    ]


def opened_at_the_end(**columns: Sequence[float | None]) -> StatedFacts:
    sessions = course(**columns)
    return find_facts(sessions, len(sessions))


def standings(facts: StatedFacts) -> list[tuple[Component, Standing]]:
    return [(part.component, part.standing) for part in facts.components]


def of(facts: StatedFacts, component: Component) -> StatedComponent:
    return next(part for part in facts.components if part.component is component)


def test_a_fall_is_a_step_from_the_usual_level_to_the_mark_of_the_last_form() -> None:
    facts = opened_at_the_end(goal=[9, 8.8, 9, 9.2, 5])
    assert (facts.shape, facts.since, facts.form_at, facts.forms) == (Shape.STEP, week(4), week(4), 5)
    assert facts.components == (StatedComponent(GOAL, Standing.FELL, 0.5, 0.9, 0.88, 0.92),)


def test_an_empty_form_does_not_hide_the_fall_before_it() -> None:
    facts = opened_at_the_end(bond=[9, 9, 9, 9, 6.7, NONE], task=[8, 8, 8, 8, 5, NONE])
    assert (facts.shape, facts.form_at, facts.since) == (Shape.STEP, week(4), week(4))
    assert standings(facts) == [(TASK, Standing.FELL), (BOND, Standing.FELL)]
    assert facts.empty == StatedEmptyForms(week(5), count=1, of=6)


def test_empty_forms_are_counted_among_the_last_eight_sessions() -> None:
    facts = opened_at_the_end(goal=[NONE, 9, 9, 9, NONE, 9, 9, 9, 9, NONE])
    assert facts.empty == StatedEmptyForms(week(9), count=2, of=8)
    assert (facts.shape, facts.form_at, facts.since) == (Shape.NO_FORM, week(8), None)


def test_earlier_empty_forms_are_not_told_when_the_newest_session_has_a_form() -> None:
    assert opened_at_the_end(goal=[9, 9, 9, NONE, 5]).empty is None


def test_a_client_who_was_low_from_the_start_has_no_usual_level() -> None:
    facts = opened_at_the_end(bond=[0, 0], goal=[2, 2.5], task=[2, 2.6])
    assert (facts.shape, facts.since) == (Shape.LOW_FROM_START, week(0))
    assert standings(facts) == [(BOND, Standing.LOW), (GOAL, Standing.LOW), (TASK, Standing.UNKNOWN)]
    assert all(part.usual is None for part in facts.components)


def test_one_component_that_was_low_from_the_start_is_named_later_too() -> None:
    facts = opened_at_the_end(bond=[8, 9, 8, 9, 8.5], goal=[0, 1, 2, 1, 1])
    assert facts.shape is Shape.LOW_FROM_START
    assert facts.components[0] == StatedComponent(GOAL, Standing.LOW, 0.1)
    assert of(facts, BOND).standing is Standing.HELD


def test_an_episode_that_opened_before_a_level_was_usual_gets_none_while_it_lasts() -> None:
    facts = find_facts(course(goal=[1, 1, 0, 5], bond=[8, 9, 8, 8]), opened=2)
    assert of(facts, GOAL) == StatedComponent(GOAL, Standing.UNKNOWN, 0.5)
    assert of(facts, BOND) == StatedComponent(BOND, Standing.UNKNOWN, 0.8)


def test_two_forms_far_apart_make_no_usual_level() -> None:
    facts = opened_at_the_end(goal=[10, 2, 0], task=[10, 9, 6])
    assert standings(facts) == [(GOAL, Standing.UNKNOWN), (TASK, Standing.UNKNOWN)]
    assert opened_at_the_end(goal=[10, 8, 3]).components[0].usual == 0.9


@pytest.mark.parametrize(
    ("first", "second", "low"), [(2.5, 0, (GOAL,)), (2.6, 0, ()), (0, 9, ()), (NONE, 0, ())]
)
def test_low_from_the_start_needs_both_of_the_first_two_forms(
    first: float | None, second: float, low: tuple[Component, ...]
) -> None:
    sessions = course(goal=[first, second], bond=[9, 9])
    assert low_from_start([session.marks for session in sessions]) == low
    assert low_from_start([sessions[1].marks]) == ()


def test_a_fall_that_partly_recovers_is_dated_where_it_began() -> None:
    facts = opened_at_the_end(bond=[7.5, 7.5, 7.5, 2.5, 5])
    assert (facts.shape, facts.since) == (Shape.STEP, week(3))
    assert of(facts, BOND).mark == 0.5


def test_what_was_low_once_and_recovered_does_not_date_a_later_fall() -> None:
    assert opened_at_the_end(bond=[8, 8, 8, 3, 8, 8, 8, 3]).since == week(7)


def test_a_form_without_the_component_that_fell_neither_dates_nor_interrupts_its_fall() -> None:
    facts = opened_at_the_end(bond=[8, 8, 8, 4, NONE, 4], goal=[9, 9, 9, 9, 9, 9])
    assert facts.since == week(3)


def test_what_fell_what_held_and_what_rose_is_told_by_component() -> None:
    facts = opened_at_the_end(
        bond=[4, 4.2, 4, 4.2, 8.3],
        goal=[7, 7.5, 7, 7.2, 7.3],
        task=[8, 8, 8, 8, 5.2],
        overall=[6, 6, 6, 6, 7.5],
    )
    assert standings(facts) == [
        (TASK, Standing.FELL),
        (BOND, Standing.ROSE),
        (GOAL, Standing.HELD),
        (OVERALL, Standing.ROSE),
    ]


def test_all_that_fell_by_half_of_the_deepest_are_named_and_the_deepest_leads() -> None:
    facts = opened_at_the_end(
        bond=[9, 9, 9, 9, 6.9], goal=[8, 8, 8, 8, 4], task=[9, 9, 9, 9, 7.1], overall=[9, 9, 9, 9, 3]
    )
    assert standings(facts) == [
        (GOAL, Standing.FELL),
        (OVERALL, Standing.FELL),
        (BOND, Standing.SOMEWHAT_LOWER),
        (TASK, Standing.SOMEWHAT_LOWER),
    ]


def test_overall_leads_only_where_nothing_else_fell() -> None:
    facts = opened_at_the_end(bond=[9, 9, 9, 9, 9], overall=[9, 9, 9, 9, 5])
    assert standings(facts) == [(OVERALL, Standing.FELL), (BOND, Standing.HELD)]


def test_a_step_is_named_where_the_marks_stayed_low_since() -> None:
    facts = opened_at_the_end(goal=[9, 9, 9, 3.2, 3.5, 3])
    assert (facts.shape, facts.since) == (Shape.STEP, week(3))


def test_a_slide_is_told_with_its_marks() -> None:
    facts = opened_at_the_end(goal=[7.4, 7.4, 7.4, 6.6, 5.8, 4])
    assert (facts.shape, facts.slide) == (Shape.SLIDE, (0.74, 0.66, 0.58, 0.4))
    assert facts.since == week(4)


def test_a_slide_begins_where_the_marks_begin_to_fall() -> None:
    facts = opened_at_the_end(goal=[8, 8.3, 8, 8.3, 8, 6.6, 5])
    assert (facts.shape, facts.slide) == (Shape.SLIDE, (0.83, 0.8, 0.66, 0.5))


def test_three_forms_are_no_slide_and_two_steps_down_of_one_size_are_no_step() -> None:
    facts = opened_at_the_end(goal=[9, 9, 9, 9, 6.9, 3])
    assert (facts.shape, facts.since, facts.slide) == (Shape.UNCLEAR, week(4), ())
    assert standings(facts) == [(GOAL, Standing.FELL)]


def test_marks_that_stayed_within_the_own_range_show_no_fall() -> None:
    facts = opened_at_the_end(goal=[9, 8, 9, 8, 8.2], bond=[7, 7, 7, 7, 7])
    assert (facts.shape, facts.since) == (Shape.UNCLEAR, None)
    assert standings(facts) == [(BOND, Standing.HELD), (GOAL, Standing.HELD)]


def test_nothing_is_usual_before_there_are_two_earlier_forms() -> None:
    facts = opened_at_the_end(goal=[9, 3])
    assert facts.components == (StatedComponent(GOAL, Standing.UNKNOWN, 0.3, first=0.9),)
    assert (facts.shape, facts.since) == (Shape.UNCLEAR, None)


def test_what_fell_with_the_others_and_came_back_did_not_stay_as_usual() -> None:
    facts = opened_at_the_end(
        bond=[8, 8, 8, 8, 4, 4], goal=[9, 9, 9, 9, 5, 9], task=[7, 7, 7, 7, 7, 7], overall=[7, 7, 7, 3, 7, 7]
    )
    assert facts.since == week(4)
    held = [(part.component, part.back) for part in facts.components if part.standing is Standing.HELD]
    assert held == [(GOAL, True), (TASK, False), (OVERALL, False)]


def test_without_a_usual_level_a_clear_fall_from_the_first_form_is_told() -> None:
    facts = opened_at_the_end(goal=[10, 2, 0], task=[10, 9, 9.1], bond=[NONE, 9, 2])
    assert [(part.component, part.first) for part in facts.components] == [
        (BOND, None),
        (GOAL, 1.0),
        (TASK, None),
    ]
    assert of(opened_at_the_end(goal=[9, 8]), GOAL).first == 0.9
    assert of(opened_at_the_end(goal=[9]), GOAL).first is None
    assert of(opened_at_the_end(goal=[2.5, 1]), GOAL) == StatedComponent(GOAL, Standing.LOW, 0.1)


def test_the_usual_level_stays_the_one_before_the_episode() -> None:
    sessions = course(goal=[9, 9, 8.8, 9, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4])
    for last in range(5, len(sessions) + 1):
        facts = find_facts(sessions[:last], opened=5)
        assert (of(facts, GOAL).usual, facts.since) == (0.9, week(4))


def test_a_settled_episode_tells_the_level_of_the_last_three_forms() -> None:
    sessions = course(goal=[9, 9, 9, 3, 5, 6, 5.5, 7])
    facts = find_facts(sessions, opened=4, settled=True)
    assert of(facts, GOAL) == StatedComponent(GOAL, Standing.FELL, 0.7, 0.9, 0.9, 0.9, 0.6)
    assert of(find_facts(sessions, opened=4), GOAL).lasting is None


def test_a_repaired_episode_tells_that_nothing_is_lower() -> None:
    facts = find_facts(course(goal=[9, 8.8, 9, 3, 5, 8.9, 9]), opened=4)
    assert (standings(facts), facts.since) == ([(GOAL, Standing.HELD)], None)


def test_a_client_who_never_gave_a_form_has_no_facts_but_the_empty_forms() -> None:
    sessions = [SessionMarks(week(0), {}), SessionMarks(week(1), {})]
    assert find_facts(sessions, 2) == StatedFacts(Shape.NO_FORM, empty=StatedEmptyForms(week(1), 2, 2))


@pytest.mark.parametrize(
    ("goals", "lead"),
    [
        ([9, 9, 9, 9, 9, 8.6, NONE], True),
        ([9, 9, 9, 9, 9, 8.5, NONE], False),
        ([6, 8, 6, 8, 6, 8, 6, NONE], True),
        ([9, 9, 9, 9, 9, 9, NONE], False),
    ],
)
def test_empty_forms_lead_where_the_fall_before_is_slight_or_usual(
    goals: list[float | None], *, lead: bool
) -> None:
    facts = opened_at_the_end(goal=goals)
    assert facts.empty is not None
    assert facts.empty.lead == lead


def test_empty_forms_do_not_lead_where_something_is_clearly_lower_than_in_the_first_form() -> None:
    facts = opened_at_the_end(goal=[9, 9, 9, 8.6, NONE], task=[9, NONE, NONE, 5, NONE])
    assert standings(facts) == [(GOAL, Standing.FELL), (TASK, Standing.UNKNOWN)]
    assert facts.empty == StatedEmptyForms(week(4), count=1, of=5)


def test_a_way_down_that_ends_where_the_client_began_is_no_slide() -> None:
    rise = [3, 3.1, 6, 8, 8.1, 8]
    back = opened_at_the_end(goal=[*rise, 6.5, 5, 3.5])
    assert (back.shape, back.slide, back.began) == (Shape.UNCLEAR, (), (0.3, 0.31))
    above = opened_at_the_end(goal=[*rise, 7, 6, 5])
    assert (above.shape, above.slide, above.began) == (Shape.SLIDE, (0.8, 0.7, 0.6, 0.5), ())
