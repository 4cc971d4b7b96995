"""A session takes the dated row valid at its time; rows are read again only when there are more of them."""

from datetime import UTC, datetime, timedelta

import pytest

from services.detector.domain.dated_rows import PracticeStatistics, row_at
from services.detector.domain.practice import KnownRows

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FIRST = PracticeStatistics("first", (), MONDAY)
SECOND = PracticeStatistics("second", (), MONDAY + timedelta(days=7))


@pytest.mark.parametrize(
    ("expected", "session_day", "accepted_day"),
    [
        (None, -1, 300),
        (FIRST, 0, 300),
        (FIRST, 6, 300),
        (SECOND, 7, 300),
        (FIRST, 300, 6),
        (None, 300, -1),
    ],
)
def test_a_session_takes_the_row_valid_at_the_earlier_of_its_time_and_its_acceptance(
    expected: PracticeStatistics | None, session_day: int, accepted_day: int
) -> None:
    session_at, accepted_at = (MONDAY + timedelta(days=day) for day in (session_day, accepted_day))
    assert row_at((FIRST, SECOND), session_at, accepted_at) == expected


def test_a_row_without_a_date_is_valid_at_every_session() -> None:
    always = PracticeStatistics("file", ())
    assert row_at((always,), MONDAY - timedelta(days=9999), MONDAY) == always


def test_rows_are_outdated_when_their_number_has_changed() -> None:
    known: KnownRows[str] = KnownRows()
    assert known.outdated({"north": 1, "east": 0}) == ["north"]
    known.add("north", 1, "rows")
    assert (known.outdated({"north": 1}), known.outdated({"north": 2})) == ([], ["north"])
    assert (known.get("north"), known.get("east")) == ("rows", None)
