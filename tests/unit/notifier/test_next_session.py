"""A client's next session: stated, or expected from the rhythm, and never guessed without one."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from schemas.events import EpisodeChanged, TrajectoryPoint
from services.notifier.domain.next_session import (
    NextSession,
    StatedSession,
    determine_next_session,
    expected_session,
)
from tests.support.detector.episodes import changed

VIENNA, UTC_ZONE = ZoneInfo("Europe/Vienna"), ZoneInfo("UTC")
LAST = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)
WEEK, DAY = timedelta(weeks=1), timedelta(days=1)
ACCEPTED = LAST + timedelta(hours=1)


def seen(*days_before: int, stated: datetime | None = None) -> EpisodeChanged:
    """Return a change with sessions that many days before the last one."""
    points = tuple(TrajectoryPoint(session_at=LAST - DAY * days) for days in days_before)
    return changed(session_at=LAST, trajectory=points, next_session_at=stated)


@pytest.mark.parametrize(
    ("days_before", "days_after"),
    [
        ((21, 14, 7, 0), 7),
        ((28, 14, 0), 14),
        ((35, 28, 7, 0), 7),
        ((22, 14, 0), 8),
        ((60, 9, 2, 0), 7),
    ],
)
def test_the_expected_session_is_one_median_gap_after_the_newest(
    days_before: tuple[int, ...], days_after: int
) -> None:
    assert determine_next_session(seen(*days_before), None, UTC_ZONE) == NextSession(
        LAST + DAY * days_after, expected=True
    )


def test_two_sessions_show_no_rhythm() -> None:
    assert determine_next_session(seen(7, 0), None, UTC_ZONE) is None


def test_two_forms_of_one_session_are_one_session() -> None:
    assert expected_session([LAST - WEEK, LAST, LAST], UTC_ZONE) is None


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (datetime(2026, 3, 26, 9, 0, tzinfo=UTC), datetime(2026, 4, 2, 8, 0, tzinfo=UTC)),
        (datetime(2026, 10, 22, 8, 0, tzinfo=UTC), datetime(2026, 10, 29, 9, 0, tzinfo=UTC)),
    ],
)
def test_the_hour_stays_on_both_days_of_change(last: datetime, expected: datetime) -> None:
    at = expected_session([last - 2 * WEEK, last - WEEK, last], VIENNA)
    assert (at, at and at.astimezone(VIENNA).hour) == (expected, 10)


def test_what_came_with_the_rating_is_stated() -> None:
    change = seen(14, 7, 0, stated=LAST + 3 * DAY)
    assert determine_next_session(change, None, UTC_ZONE) == NextSession(LAST + 3 * DAY, expected=False)


@pytest.mark.parametrize(("received_after", "days"), [(timedelta(minutes=1), 5), (-timedelta(minutes=1), 3)])
def test_the_statement_received_last_counts(received_after: timedelta, days: int) -> None:
    change = seen(14, 7, 0, stated=LAST + 3 * DAY)
    later = StatedSession(LAST + 5 * DAY, ACCEPTED + received_after)
    assert determine_next_session(change, later, UTC_ZONE) == NextSession(LAST + days * DAY, expected=False)


def test_nothing_is_expected_when_none_is_planned() -> None:
    none_planned = StatedSession(None, ACCEPTED + DAY)
    assert determine_next_session(seen(14, 7, 0, stated=LAST + DAY), none_planned, UTC_ZONE) is None


@pytest.mark.parametrize(
    "overtaken",
    [StatedSession(LAST, LAST - DAY), StatedSession(LAST - WEEK, ACCEPTED), StatedSession(None, LAST - DAY)],
)
def test_a_statement_that_a_session_has_overtaken_gives_way_to_the_rhythm(overtaken: StatedSession) -> None:
    assert determine_next_session(seen(14, 7, 0), overtaken, UTC_ZONE) == NextSession(
        LAST + WEEK, expected=True
    )
