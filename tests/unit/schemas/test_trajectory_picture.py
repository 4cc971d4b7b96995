"""The picture of a trajectory: what is drawn where, and what it says to those who do not see it."""

import re
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from schemas.components import Component
from schemas.events import TrajectoryPoint
from schemas.facts import ComponentFact, Facts, Shape, Standing
from schemas.instruments.catalogue import Catalogue
from schemas.picture.trajectory import (
    LEFT,
    RIGHT,
    WIDTH,
    DrawnTrajectory,
    PictureRow,
    TrajectoryPicture,
    draw,
)
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, WEEK, facts_of_a_step, trajectory

EN = Wordings.load().of("en")
SRS = Catalogue.load().get("srs")
UTC = ZoneInfo("UTC")


def picture(
    points: tuple[TrajectoryPoint, ...], facts: Facts | None = None, told_at: datetime = NOW
) -> TrajectoryPicture:
    drawn = draw(DrawnTrajectory(points, told_at, facts, SRS), EN, UTC)
    assert drawn is not None
    return drawn


def row(drawn: TrajectoryPicture, component: Component) -> PictureRow:
    return next(one for one in drawn.rows if one.component is component)


def one_component(*marks: float | None) -> tuple[TrajectoryPoint, ...]:
    first = NOW - WEEK * (len(marks) - 1)
    return tuple(TrajectoryPoint(session_at=first + WEEK * i, goal=mark) for i, mark in enumerate(marks))


def usual_of(low: float, high: float) -> Facts:
    goal = ComponentFact(
        component=Component.GOAL, standing=Standing.FELL, mark=4.0, usual=8.0, usual_low=low, usual_high=high
    )
    return Facts(shape=Shape.STEP, components=(goal,), form_at=NOW, since=NOW, forms=5)


def test_nothing_to_draw_is_no_picture() -> None:
    assert draw(DrawnTrajectory((), NOW), EN, UTC) is None
    assert draw(DrawnTrajectory((TrajectoryPoint(session_at=NOW),), NOW), EN, UTC) is None


def test_there_is_a_row_for_bond_goals_and_tasks_and_what_fell_is_in_full_ink() -> None:
    drawn = picture(trajectory(9), facts_of_a_step())
    assert [(one.name, one.strong) for one in drawn.rows] == [
        ("Bond", False),
        ("Goals", True),
        ("Tasks", False),
    ]


def test_the_overall_impression_has_a_row_only_where_it_fell() -> None:
    fell = ComponentFact(component=Component.OVERALL, standing=Standing.FELL, mark=7.3, usual=8.8)
    facts = Facts(shape=Shape.STEP, components=(fell,), form_at=NOW, since=NOW, forms=8)
    assert [one.component for one in picture(trajectory(9), facts).rows if one.strong] == [Component.OVERALL]
    assert len(picture(trajectory(9), facts_of_a_step()).rows) == 3


def test_a_single_form_between_gaps_is_visible() -> None:
    drawn = picture(one_component(0.8, None, 0.3, None, 0.7))
    goals = row(drawn, Component.GOAL)
    assert len(goals.dots) == 3
    assert goals.line.count("M") == 3, "each form begins a line of its own: the sessions between are gaps"
    assert len(drawn.empty) == 2
    circles = re.findall(r'<circle class="dot" [^>]*r="([\d.]+)"', str(drawn.svg()))
    assert [float(radius) >= 2 for radius in circles] == [True] * 3


def test_the_band_of_a_steady_client_is_narrower_than_that_of_a_noisy_one() -> None:
    points = one_component(0.8, 0.8, 0.4)
    steady = row(picture(points, usual_of(7.8, 8.1)), Component.GOAL).band
    noisy = row(picture(points, usual_of(6.0, 9.4)), Component.GOAL).band
    assert steady is not None
    assert noisy is not None
    assert steady[1] - steady[0] < (noisy[1] - noisy[0]) / 5


def test_no_band_is_drawn_before_there_is_a_usual_range() -> None:
    assert all(one.band is None and one.usual is None for one in picture(trajectory(9)).rows)


def test_the_told_session_is_ringed_and_labelled_with_its_value() -> None:
    goals = row(picture(one_component(0.8, 0.8, 0.42), usual_of(7.8, 8.1)), Component.GOAL)
    assert [dot.told for dot in goals.dots] == [False, False, True]
    assert goals.value is not None
    assert (goals.value.text, goals.value.anchor, goals.value.x > RIGHT) == ("4.2", "start", True)


def test_a_told_session_that_is_not_the_newest_is_labelled_beside_its_dot() -> None:
    facts = usual_of(7.8, 8.1).model_copy(update={"form_at": NOW - WEEK})
    goals = row(picture(one_component(0.8, 0.8, 0.42, 0.6), facts), Component.GOAL)
    told = goals.dots[2]
    assert goals.value is not None
    assert (goals.value.x, told.told, goals.value.y > told.y) == (told.x, True, True)


def test_a_value_that_has_no_room_above_its_dot_stands_below_it() -> None:
    facts = usual_of(7.8, 8.1).model_copy(update={"form_at": NOW - WEEK})
    goals = row(picture(one_component(0.8, 0.8, 0.98, 0.6), facts), Component.GOAL)
    assert goals.value is not None
    assert goals.value.y > goals.dots[2].y


@pytest.mark.parametrize("mark", [0.0, 0.1, 0.25, 0.4, 0.6])
@pytest.mark.parametrize("after", [1, 4])
def test_no_value_covers_a_date(mark: float, after: int) -> None:
    facts = usual_of(7.8, 8.1).model_copy(update={"form_at": NOW - WEEK * after})
    drawn = picture(one_component(0.8, 0.8, mark, *[0.7] * after), facts)
    goals = row(drawn, Component.GOAL)
    assert goals.value is not None
    assert goals.value.y > goals.dots[2].y, "it stands below its dot: the line comes from above"
    # Figures of 13 units stand on their line, with a comma under it; dates of 12 units rise 9 above theirs.
    assert all(date.y - 9 > goals.value.y + 3 for date in drawn.dates)
    assert all(date.y + 3 < drawn.height for date in drawn.dates)


def test_marks_of_a_wide_scale_have_no_decimals() -> None:
    wide = replace(SRS, highest=100)
    drawn = draw(DrawnTrajectory(one_component(0.8, 0.8, 0.426), NOW, None, wide), EN, UTC)
    assert drawn is not None
    value = row(drawn, Component.GOAL).value
    assert value is not None
    assert value.text == "43"
    assert [one.marks for one in drawn.table.rows] == [("80",), ("80",), ("43",)]


def test_the_scale_is_whole_and_its_ends_are_named() -> None:
    drawn = picture(one_component(0.0, 1.0, 0.5))
    goals = row(drawn, Component.GOAL)
    assert [dot.y for dot in goals.dots] == [goals.bottom, goals.top, (goals.bottom + goals.top) / 2]
    assert (drawn.lowest, drawn.highest) == ("0", "10")
    assert drawn.title.endswith("0 is the lowest, 10 the highest")


@pytest.mark.parametrize("sessions", [1, 2, 5, 12, 60])
def test_all_that_is_drawn_lies_inside_the_picture(sessions: int) -> None:
    drawn = picture(trajectory(sessions), facts_of_a_step())
    for one in drawn.rows:
        assert all(LEFT <= dot.x <= RIGHT and one.top <= dot.y <= one.bottom for dot in one.dots)
        assert one.value is None or 0 < one.value.y <= drawn.height
    assert all(0 < date.x < WIDTH for date in drawn.dates)
    assert drawn.height <= 200, "the whole first screen of a telephone has 844"


def test_dates_do_not_cover_one_another_and_the_told_one_is_among_them() -> None:
    drawn = picture(trajectory(12), facts_of_a_step())
    places = sorted(date.x for date in drawn.dates)
    assert all(after - before >= 58 for before, after in pairwise(places))
    assert [date.text for date in drawn.dates if date.strong] == ["18\N{NO-BREAK SPACE}Nov"]


def test_the_text_alternative_says_what_the_table_says() -> None:
    drawn = picture(trajectory(9), facts_of_a_step())
    table = drawn.table
    assert table.columns == ("Bond", "Goals", "Tasks", "Overall")
    for one in table.rows:
        expected = (
            [f"{name} {mark}" for name, mark in zip(table.columns, one.marks, strict=True)]
            if one.has_form
            else ["no form"]
        )
        sentence = f"{one.session}: {', '.join(expected + ([one.away] if one.away else []))}."
        assert sentence in table.sentences
    assert [one.away for one in table.rows] == [""] * 7 + ["away from usual"] * 2
    assert table.rows[3].marks == ("no form",) * 4
    assert f'<desc id="trajectory-text">{table.sentences}</desc>' in str(drawn.svg())


def test_it_needs_no_colour_and_no_style() -> None:
    svg = str(picture(trajectory(9), facts_of_a_step()).svg())
    assert not re.search(r"#[0-9a-f]{3}|rgb|style=|hsl", svg)
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) == {"currentColor", "none"}


@pytest.mark.parametrize(
    ("points", "facts", "keys"),
    [
        (one_component(0.8, None, 0.3), usual_of(7.0, 9.0), ["dot", "ring", "band", "cross"]),
        (one_component(0.8, 0.3), None, ["dot", "ring"]),
        (one_component(0.8, 0.3), usual_of(7.0, 9.0), ["dot", "ring", "band"]),
    ],
)
def test_the_legend_names_what_is_drawn_and_nothing_else(
    points: tuple[TrajectoryPoint, ...], facts: Facts | None, keys: list[str]
) -> None:
    drawn = picture(points, facts)
    svg = str(drawn.svg())
    classes = {"dot": "dot", "ring": "ring", "band": "band", "cross": "empty"}
    assert list(drawn.legend) == keys
    assert [key for key, name in classes.items() if f'class="{name}"' in svg] == keys
    assert " ".join(drawn.legend.values()).startswith("Dot: a form. Ring: described above.")
