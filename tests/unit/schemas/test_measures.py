"""Instruments of outcome, and the therapist's own, are described, checked and added up; none is scored."""

import pytest

from schemas.instrument_kind import InstrumentKind
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.definition import InvalidDefinition, read_definition
from schemas.instruments.scoring import InvalidMarks, check_marks, total_of
from schemas.rating import parse_rating
from tests.support.schemas.ratings import LEFT_OUT, NOW, rating, sent

CATALOGUE = Catalogue.load()
OUTCOME = """
id = "own"
kind = "outcome"
title = "Own"
source = "none"
licence = "none"
items = 2
lowest = 0
highest = 4
step = 1
between_steps = "refused"
direction = "higher-is-worse"
missing = {total = 1}
"""


@pytest.mark.parametrize(
    ("instrument", "items", "highest_total", "cutoff", "higher_is_better"),
    [
        ("ors", 4, 40, 25, True),
        ("core-10", 10, 40, 11, False),
        ("phq-9", 9, 27, 10, False),
    ],
)
def test_the_published_range_direction_and_cutoff_are_kept(
    instrument: str, items: int, highest_total: float, cutoff: float, *, higher_is_better: bool
) -> None:
    found = CATALOGUE.get(instrument)
    assert found.kind is InstrumentKind.OUTCOME
    assert (found.items, found.lowest_total, found.highest_total) == (items, 0, highest_total)
    assert (found.cutoff, found.higher_is_better, bool(found.cutoff_source)) == (
        cutoff,
        higher_is_better,
        True,
    )


def test_only_instruments_of_the_alliance_are_scored() -> None:
    assert {str(one.id) for one in CATALOGUE.of_alliance} == {"srs", "wai-sr", "wai-s", "wai-9"}


@pytest.mark.parametrize(
    ("instrument", "marks", "total"),
    [
        ("ors", [5.0, 6.5, 4.0, 5.5], 21.0),
        ("core-10", [0, 4, 4, 0, 0, 0, 0, 0, 0, 0], 0),
        ("core-10", [4, 0, 0, 4, 4, 4, 4, 4, 4, 4], 40),
        ("phq-9", [1, 1, 1, 1, 1, 1, 1, None, None], 9),
        ("phq-9", 27.0, 27),
        ("wai-s-t", [6, 6, 6, 2, 6, 6, 6, 6, 6, 2, 6, 6], 72),
    ],
)
def test_the_total_is_the_sum_after_reversal_and_a_missing_answer_counts_as_the_mean(
    instrument: str, marks: list[float | None] | float, total: float
) -> None:
    assert total_of(CATALOGUE.get(instrument), marks) == total


@pytest.mark.parametrize(
    ("instrument", "marks", "message"),
    [
        ("phq-9", 28.0, "total is out of range, expected 0 to 27"),
        ("phq-9", [3, 3, 3, 3, 3, 3, 3, 3, 4], "item 9 is out of range, expected 0 to 3"),
        ("ors", [5.0, 6.0, 4.0, None], "too many unanswered"),
        ("srs", 36.0, "total is not enough for this instrument, expected items or scores"),
        ("wai-s-t", 60.0, "total is not enough for this instrument"),
    ],
)
def test_marks_that_do_not_fit_are_refused_with_what_is_expected(
    instrument: str, marks: list[float | None] | float, message: str
) -> None:
    with pytest.raises(InvalidMarks) as caught:
        check_marks(CATALOGUE.get(instrument), marks)
    (violation,) = caught.value.violations
    assert message in f"{violation.field} {violation.message}, expected {violation.expected}"


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (OUTCOME.replace('direction = "higher-is-worse"\n', ""), "direction is missing"),
        (OUTCOME + "components = {bond = [1]}\n", "an instrument of the kind outcome has none"),
        (OUTCOME + "cutoff = 5\n", "cutoff_source is missing"),
        (OUTCOME + "risk_items = [3]\n", "there is no item 3"),
        (OUTCOME.replace('"outcome"', '"therapist"'), "item 1, 2 belongs to no component"),
        (OUTCOME.replace('"outcome"', '"mood"'), "kind:"),
    ],
)
def test_a_definition_that_contradicts_its_kind_is_refused(changed: str, fault: str) -> None:
    with pytest.raises(InvalidDefinition, match=fault):
        read_definition("own.toml", changed)


def test_an_own_instrument_of_outcome_needs_no_code() -> None:
    assert read_definition("own.toml", OUTCOME).kind is InstrumentKind.OUTCOME


def test_a_total_is_content_and_a_rating_without_one_keeps_its_id() -> None:
    one, other = (
        parse_rating(sent(items=LEFT_OUT, instrument="ors", total=total), NOW) for total in (21, 22)
    )
    assert (one.marks, other.marks) == (21.0, 22.0)
    assert rating().total is None
