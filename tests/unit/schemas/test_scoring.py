"""Forms scored by hand, limits of missing answers, refusals, and the way back to an instrument's units."""

from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Mark, Scores
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.definition import read_definition
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import (
    InvalidMarks,
    TooManyUnanswered,
    from_units,
    score,
    to_units,
    total_to_units,
)
from schemas.validation_errors import Violation
from tests.support.schemas.instruments import SMALL

CATALOGUE = Catalogue.load()
INSTRUMENTS = list(CATALOGUE.of_alliance)


@pytest.mark.parametrize(
    ("instrument", "marks", "bond", "goal", "task", "overall", "total"),
    [
        ("srs", [9.2, 8.8, 9.0, 9.1], 0.92, 0.88, 0.9, 0.91, 36.1),
        ("srs", [0, 10, 5, 2.55], 0.0, 1.0, 0.5, 0.255, 17.55),
        # task 1, 2, 10, 12: 5 4 5 4; bond 3, 5, 7, 9: 1 1 2 2; goal 4, 6, 8, 11: 3 3 3 5
        ("wai-sr", [5, 4, 1, 3, 1, 3, 2, 3, 2, 5, 5, 4], 0.125, 0.625, 0.875, None, 38),
        # task 1, 2, 8, 12: 7 6 7 6; bond 3, 5, 7, 9: 4 4 4 4; goal 4, 6, 10, 11: 7 (was 1) 5 2 (was 6) 4
        ("wai-s", [7, 6, 4, 1, 4, 5, 4, 7, 4, 6, 4, 6], 0.5, 14 / 24, 22 / 24, None, 60),
        # task 1-3: 5 4 3; goal 4-6: 1 1 2; bond 7-9: 5 5 5
        ("wai-9", [5, 4, 3, 1, 1, 2, 5, 5, 5], 1.0, 1 / 12, 0.75, None, 31),
    ],
)
def test_a_form_scored_by_hand(
    instrument: str, marks: list[Mark], bond: float, goal: float, task: float, overall: Mark, total: float
) -> None:
    definition = CATALOGUE.get(instrument)
    form = score(definition, marks)
    assert [bond, goal, task] == pytest.approx([form.bond, form.goal, form.task])
    assert overall == (None if overall is None else pytest.approx(form.overall))
    assert (overall is None) == (form.overall is None)
    assert total == total_to_units(definition, form.total)
    assert len(marks) == form.answered


def test_reversed_items_at_their_worst_marks_are_the_best_answers() -> None:
    form = score(CATALOGUE.get("wai-s"), [7, 7, 7, 1, 7, 7, 7, 7, 7, 1, 7, 7])
    assert (
        form.bond, form.goal, form.task, form.total, form.top, form.spread,
    ) == (1.0, 1.0, 1.0, 1.0, 1.0, 0.0)  # fmt: skip


def test_spread_and_share_at_the_top_are_those_of_the_answered_items() -> None:
    form = score(CATALOGUE.get("wai-9"), [5, None, 3, None, 1, None, 5, 5, 5])
    shares = [1, 0.5, 0, 1, 1, 1]
    mean = sum(shares) / 6
    assert form.answered == 6
    assert sqrt(sum((share - mean) ** 2 for share in shares) / 6) == pytest.approx(form.spread)
    assert form.top == 4 / 6


def test_a_single_answer_has_no_spread() -> None:
    form = score(CATALOGUE.get("wai-9"), [None] * 8 + [4])
    assert (form.bond, form.goal, form.task, form.spread, form.answered) == (0.75, None, None, None, 1)


def test_component_scores_are_taken_as_they_are() -> None:
    form = score(CATALOGUE.get("wai-sr"), Scores(bond=5, goal=2, task=3.5))
    assert (form.bond, form.goal, form.task, form.overall) == (1.0, 0.25, 0.625, None)
    assert (form.answered, form.top) == (3, 1 / 3)
    assert pytest.approx(form.total) == 0.625


@pytest.mark.parametrize(
    ("instrument", "marks", "goal"),
    [
        ("srs", [9, None, 9, 9], None),
        ("wai-sr", [3, 3, 3, None, 3, 5, 3, 5, 3, 3, 5, 3], 1.0),
        ("wai-sr", [3, 3, 3, None, 3, None, 3, 5, 3, 3, 5, 3], None),
        ("wai-9", [3, 3, 3, None, None, 5, 3, 3, 3], 1.0),
    ],
)
def test_a_component_with_too_few_answers_has_no_score(
    instrument: str, marks: list[Mark], goal: float | None
) -> None:
    assert goal == score(CATALOGUE.get(instrument), marks).goal


@pytest.mark.parametrize(
    ("instrument", "missing", "least"),
    [("srs", 2, "3 of 4"), ("wai-sr", 5, "8 of 12"), ("wai-9", 9, "1 of 9")],
)
def test_a_form_with_too_many_missing_is_refused(instrument: str, missing: int, least: str) -> None:
    definition = CATALOGUE.get(instrument)
    marks = [None] * missing + [definition.highest] * (definition.items - missing)
    with pytest.raises(TooManyUnanswered) as caught:
        score(definition, marks)
    expected = f"at least {least}; or status declined when the client gave no form"
    assert (Violation("items", "has too many unanswered items", expected),) == caught.value.violations


@pytest.mark.parametrize(
    ("instrument", "marks", "violations"),
    [
        (
            "srs",
            [10.1, 9, -0.1, 9],
            [("item 1 is out of range", "0 to 10"), ("item 3 is out of range", "0 to 10")],
        ),
        (
            "wai-9",
            [5, 4.5, 6, 1, 1, 2, 5, 5, 5],
            [
                ("item 2 lies between two marks", "1 to 5, in steps of 1"),
                ("item 3 is out of range", "1 to 5"),
            ],
        ),
        (
            "srs",
            [9, 9, 9],
            [("has the wrong number of marks", "4 marks, null for an unanswered item")],
        ),
        ("srs", [9, float("nan"), 9, 9], [("item 2 is out of range", "0 to 10")]),
    ],
)
def test_marks_that_do_not_exist_are_refused(
    instrument: str, marks: list[Mark], violations: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidMarks) as caught:
        score(CATALOGUE.get(instrument), marks)
    assert violations == [(each.message, each.expected) for each in caught.value.violations]
    assert {"items"} == {each.field for each in caught.value.violations}


def test_component_scores_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(InvalidMarks) as caught:
        score(CATALOGUE.get("wai-sr"), Scores(bond=16, goal=0, task=3))
    expected = "the mean of its items after reversal, 1 to 5"
    assert [
        Violation("scores.bond", "is out of range", expected),
        Violation("scores.goal", "is out of range", expected),
    ] == list(caught.value.violations)


def test_a_component_that_is_not_asked_for_has_no_score() -> None:
    form = score(read_definition("small", SMALL), [4, 2])
    assert (form.bond, form.goal, form.task, form.overall) == (1.0, 0.5, None, None)


def test_scores_of_a_component_that_is_not_asked_for_are_refused() -> None:
    with pytest.raises(InvalidMarks) as caught:
        score(read_definition("small", SMALL), Scores(bond=1, goal=1, task=1))
    assert (Violation("scores.task", "is not part of this instrument", "items"),) == caught.value.violations


def test_a_form_none_of_whose_components_has_a_score_is_refused() -> None:
    text = SMALL.replace("items = 2", "items = 4").replace("[1], goal = [2]", "[1, 2], goal = [3, 4]")
    definition = read_definition("small", text.replace("total = 1", "total = 2"))
    with pytest.raises(TooManyUnanswered):
        score(definition, [1, None, 1, None])


instruments = st.sampled_from(INSTRUMENTS)


@st.composite
def forms(draw: st.DrawFn) -> tuple[Instrument, list[float]]:
    """A complete form of any instrument."""
    instrument = draw(instruments)
    marks = st.sampled_from(sorted(instrument.scaled_marks[0]))
    return instrument, draw(st.lists(marks, min_size=instrument.items, max_size=instrument.items))


@given(instruments, st.floats(0, 1))
def test_units_and_shares_are_two_spellings_of_one_number(instrument: Instrument, share: float) -> None:
    assert isclose(share, from_units(instrument, to_units(instrument, share)), abs_tol=1e-6)


@given(forms())
def test_every_score_of_a_complete_form_lies_between_0_and_1(form: tuple[Instrument, list[float]]) -> None:
    scored = score(*form)
    values = [scored.bond, scored.goal, scored.task, scored.total, scored.top]
    assert all(value is not None and 0 <= value <= 1 + 1e-12 for value in values)


@given(forms())
def test_the_total_is_the_sum_of_the_marks_after_reversal(form: tuple[Instrument, list[float]]) -> None:
    instrument, marks = form
    turned = [
        instrument.lowest + instrument.highest - mark if item in instrument.reversed_items else mark
        for item, mark in enumerate(marks, start=1)
    ]
    assert isclose(sum(turned), total_to_units(instrument, score(instrument, marks).total), abs_tol=1e-6)


@given(forms(), st.data())
def test_marks_a_hair_off_their_step_are_taken(
    form: tuple[Instrument, list[float]], data: st.DataObject
) -> None:
    instrument, marks = form
    hair = data.draw(st.floats(-1e-8, 1e-8))
    moved = [min(max(mark + hair, instrument.lowest), instrument.highest) for mark in marks]
    assert isclose(score(instrument, marks).total, score(instrument, moved).total, abs_tol=1e-6)
