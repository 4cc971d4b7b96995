"""A planted rupture lowers the marks of its components, by its depth on average, and nothing else."""

from datetime import UTC, datetime

import numpy as np
import pytest

from lab.evaluation.planting import (
    DEPTHS,
    RupturePlan,
    RuptureShape,
    draw_plan,
    lower_rating,
    shares_of_depth,
)
from schemas.components import Component
from schemas.events import Mark, Status
from schemas.instruments.catalogue import Catalogue
from services.detector.received import DecodedScores, Rated

RNG = np.random.default_rng
AT = datetime(2026, 1, 5, tzinfo=UTC)
ALL = (Component.BOND, Component.GOAL, Component.TASK)
NO_FALL = dict.fromkeys(Component, 0.0)


def rating(instrument: str, items: list[Mark] | None = None, scores: DecodedScores | None = None) -> Rated:
    """Return a rating with these marks in the instrument's units."""
    return Rated(
        rating_id="r",
        practice_id="p",
        therapist_id="t",
        client_id="c",
        session_id="s",
        session_at=AT,
        instrument=instrument,
        status=Status.RATED,
        accepted_at=AT,
        content_hash="h",
        items=None if items is None else tuple(items),
        scores=scores,
    )


def lowered(before: Rated, falls: dict[Component, float], seed: int = 0) -> Rated:
    """Return the rating after these falls; components that are not named do not fall."""
    return lower_rating(RNG(seed), before, Catalogue.load().get(before.instrument), NO_FALL | falls)


def test_whole_steps_are_lowered_exactly_and_other_components_stay() -> None:
    # Items 1 to 3 of `wai-9` are the task, 4 to 6 the goal, 7 to 9 the bond; a step is a quarter.
    before = rating("wai-9", [5, 4, 3, 5, 5, 5, 4, None, 4])
    falls = {Component.TASK: 0.5, Component.BOND: 0.25}
    assert lowered(before, falls).items == (3, 2, 1, 5, 5, 5, 3, None, 3)


def test_a_mark_stops_at_the_lowest() -> None:
    assert lowered(rating("wai-9", [1, 2, 3] + [5.0] * 6), {Component.TASK: 0.5}).items == (
        (1, 1, 1) + (5,) * 6
    )


def test_a_reversed_item_rises_when_the_alliance_falls() -> None:
    instrument = Catalogue.load().get("wai-s")
    assert instrument.reversed_items == {4, 10}
    steps = dict.fromkeys(Component, 2 * instrument.unit_step)
    after = lowered(rating("wai-s", [5.0] * 12), steps).items
    assert after is not None
    assert [after[3], after[9]] == [7, 7]
    assert {mark for item, mark in enumerate(after, 1) if item not in instrument.reversed_items} == {3}
    at_worst = [7.0 if item in instrument.reversed_items else 1.0 for item in range(1, 13)]
    assert lowered(rating("wai-s", list(at_worst)), steps).items == tuple(at_worst)


def test_a_fall_between_two_steps_is_right_on_average() -> None:
    instrument = Catalogue.load().get("wai-9")
    rng, before = RNG(3), rating("wai-9", [5.0] * 9)
    marks = [
        lower_rating(rng, before, instrument, NO_FALL | {Component.GOAL: 0.16}).items for _ in range(4000)
    ]
    goals = np.array(marks, dtype=np.float64)[:, 3:6]
    assert set(goals.ravel().tolist()) == {4.0, 5.0}
    # .16 of the scale are .64 steps; the standard error of the mean of 12,000 items is .0044.
    assert 5 - goals.mean() == pytest.approx(0.64, abs=4 * 0.0044)


def test_marks_on_a_line_stay_on_its_steps() -> None:
    after = lowered(rating("srs", [9.0, 8.5, 10.0, 9.1]), {Component.BOND: 0.3, Component.OVERALL: 0.1})
    assert after.items == (6.0, 8.5, 10.0, 8.1)


def test_component_scores_are_lowered_by_the_fall_itself() -> None:
    before = rating("wai-9", scores=DecodedScores(bond=4.5, goal=1.5, task=3.0))
    after = lowered(before, {Component.BOND: 0.3, Component.GOAL: 0.3})
    assert after.scores == DecodedScores(bond=3.3, goal=1.0, task=3.0)
    assert after.items is None


def test_shapes() -> None:
    back = shares_of_depth(RuptureShape.BACK, 6, 2, 2)
    assert back.tolist() == [0, 0, 1, 1, 0, 0]
    assert shares_of_depth(RuptureShape.LASTING, 5, 3, 1).tolist() == [0, 0, 0, 1, 1]
    assert shares_of_depth(RuptureShape.SLIDING, 6, 1, 4).tolist() == [0, 0.25, 0.5, 0.75, 1, 1]


def test_a_rupture_is_under_way_from_a_third_of_its_depth_on() -> None:
    third = RupturePlan((Component.BOND,), 0.3, shares_of_depth(RuptureShape.SLIDING, 5, 1, 3))
    quarter = RupturePlan((Component.BOND,), 0.3, shares_of_depth(RuptureShape.SLIDING, 5, 1, 4))
    assert third.under_way.tolist() == [False, True, True, True, True]
    assert quarter.under_way.tolist() == [False, False, True, True, True]


def test_the_overall_mark_falls_by_the_mean_of_the_components() -> None:
    plan = RupturePlan((Component.BOND, Component.TASK), 0.3, np.array([0.0, 0.5]))
    assert plan.falls(1) == {
        Component.BOND: 0.15,
        Component.GOAL: 0.0,
        Component.TASK: 0.15,
        Component.OVERALL: pytest.approx(0.1),
    }


def test_plans_begin_after_the_first_rated_session_and_cover_shapes_depths_and_components() -> None:
    rated = np.array([False, True, True, False, True, True])
    plans = [plan for seed in range(600) if (plan := draw_plan(RNG(seed), rated, ALL)) is not None]
    assert len(plans) == 600
    assert {int(np.nonzero(plan.shares)[0][0]) for plan in plans} == {2, 4, 5}
    assert all(DEPTHS[0] <= plan.depth <= DEPTHS[1] for plan in plans)
    assert {frozenset(plan.components) for plan in plans} >= {
        frozenset(ALL),
        *(frozenset([component]) for component in ALL),
    }
    counts = np.bincount([len(plan.components) for plan in plans])
    assert (counts[1:] > 150).all()


def test_without_a_second_rated_session_or_a_component_there_is_no_plan() -> None:
    assert draw_plan(RNG(0), np.array([True, False]), ALL) is None
    assert draw_plan(RNG(0), np.array([True, True]), [Component.OVERALL]) is None
