"""The picture of a trajectory: what is drawn where, and what it says to those who do not see it."""

from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from schemas.events import TrajectoryPoint
from schemas.instruments.catalogue import Catalogue
from services.notifier.web.trajectory_chart import NARROW, WIDE, ChartFrame, TrajectoryChart, draw
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, WEEK, trajectory

EN = Wordings.load().of("en")
SRS = Catalogue.load().get("srs")
UTC = ZoneInfo("UTC")


def picture(points: tuple[TrajectoryPoint, ...], frame: ChartFrame = WIDE) -> TrajectoryChart:
    drawn = draw(frame, points, SRS, EN, UTC)
    assert drawn is not None
    return drawn


def test_nothing_to_draw_is_no_picture() -> None:
    assert draw(WIDE, (), SRS, EN, UTC) is None
    assert draw(WIDE, (TrajectoryPoint(session_at=NOW),), SRS, EN, UTC) is None


def test_every_session_has_a_dot_or_is_marked_as_empty() -> None:
    drawn = picture(trajectory(9))
    assert (len(drawn.dots), len(drawn.empty)) == (8, 1)


def test_a_session_without_a_form_is_a_gap_in_the_line() -> None:
    assert picture(trajectory(9)).mean_path.count("M") == 2


def test_flagged_sessions_are_marked() -> None:
    drawn = picture(trajectory(9))
    assert [dot.flagged for dot in drawn.dots] == [False] * 6 + [True] * 2
    assert len(drawn.flags) == 2


@pytest.mark.parametrize("frame", [WIDE, NARROW], ids=lambda frame: frame.name)
@pytest.mark.parametrize("sessions", [1, 2, 5, 12, 60])
def test_all_that_is_drawn_lies_inside_the_plot(frame: ChartFrame, sessions: int) -> None:
    drawn = picture(trajectory(sessions), frame)
    assert all(
        frame.left <= dot.x <= frame.right and frame.top <= dot.y <= frame.bottom for dot in drawn.dots
    )
    assert all(frame.top <= line.label_y <= frame.bottom for line in drawn.lines)
    assert len(drawn.x_ticks) <= frame.most_dates


def test_labels_do_not_cover_one_another() -> None:
    level = tuple(
        TrajectoryPoint(session_at=NOW + WEEK * index, bond=0.5, goal=0.5, task=0.5, overall=0.5)
        for index in range(3)
    )
    places = sorted(line.label_y for line in picture(level).lines)
    assert min(after - before for before, after in pairwise(places)) >= WIDE.label_gap - 0.1


def test_the_axis_is_in_the_instruments_units() -> None:
    assert [tick.label for tick in picture(trajectory(9)).y_ticks] == ["2.5", "5.0", "7.5", "10.0"]


def test_it_says_in_words_what_it_shows() -> None:
    words = picture(trajectory(9)).description
    assert words == (
        "9 sessions from 23 Sep to 18 Nov. The last rating is 6.9; usual is 8.6."
        " Highlighted sessions: 11 Nov, 18 Nov."
    )


def test_the_table_has_a_row_for_each_session() -> None:
    rows = picture(trajectory(9)).rows
    assert [row.mean for row in rows if row.mean == "no form"] == ["no form"]
    assert len(rows) == 9
