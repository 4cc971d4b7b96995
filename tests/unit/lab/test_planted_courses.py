"""Copies of a practice's courses have known ruptures planted, and all else is as it was recorded."""

import csv
from pathlib import Path

import numpy as np
import pytest

from lab.evaluation.planted_courses import planted, planted_copy
from lab.practice_histories import PracticeHistories, read_histories
from schemas.instruments.catalogue import Catalogue

CATALOGUE = Catalogue.load()
WEEKS = 8


def histories(file: Path, clients: int, weeks: int = WEEKS) -> PracticeHistories:
    """Return clients who give the highest marks at every session but the fourth, which they decline."""
    head = ["client_id", "therapist_id", "session_id", "session_at", "instrument", "status"]
    items = [f"item_{number}" for number in range(1, 10)]
    rows = [
        [f"c{client}", "t", f"{client}-{week}", f"2026-01-{1 + 3 * week:02d}T10:00Z", "wai-9"]
        + (["declined", *[""] * 9] if week == 3 else ["rated", *["5"] * 9])
        for client in range(clients)
        for week in range(weeks)
    ]
    with file.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([[*head, *items], *rows])
    return read_histories(file, CATALOGUE)


def test_only_marks_of_the_planted_components_fall_and_the_truth_is_that_of_the_plan(tmp_path: Path) -> None:
    [dyad] = histories(tmp_path / "own.csv", 1).dyads
    for seed in range(40):
        forms, plan = planted_copy(np.random.default_rng(seed), dyad, CATALOGUE)
        assert plan is not None
        assert forms[3] == dyad.forms[3]
        for session, (before, after) in enumerate(zip(dyad.forms, forms, strict=True)):
            assert after.order == before.order
            if plan.shares[session] == 0:
                assert after == before
            elif before.answered:
                fall = plan.depth * plan.shares[session]
                for component in ("bond", "goal", "task"):
                    least, most = (np.floor(fall / 0.25) * 0.25, np.ceil(fall / 0.25) * 0.25)
                    drop = getattr(before, component) - getattr(after, component)
                    expected = (least, most) if component in plan.components else (0.0, 0.0)
                    assert expected[0] - 1e-9 <= drop <= expected[1] + 1e-9


def test_twelve_of_twenty_copies_have_a_rupture_and_the_others_are_unchanged(tmp_path: Path) -> None:
    own = histories(tmp_path / "own.csv", 7)
    yardstick = planted(own, CATALOGUE)
    groups = list(yardstick.groups())
    assert yardstick.one_practice
    assert [group.kind for group in groups] == [f"clients {fold} of 5" for fold in range(1, 6)]
    assert [sorted(set(group.truth.client.tolist())) for group in groups] == [[0, 5], [1, 6], [2], [3], [4]]
    ruptures = []
    for group in groups:
        for course, client in enumerate(group.truth.client.tolist()):
            rupture = bool(group.truth.rupture[course].any())
            if course % 20 < 12:
                ruptures.append(rupture)
            else:
                assert not rupture
                assert list(group.histories[course]) == list(own.dyads[client].forms)
        assert group.truth.present.all()
        assert not group.truth.rated[:, 3].any()
        assert not group.truth.rupture[:, 0].any()
    # A slide that begins at the last session does not reach a third of its depth.
    assert len(ruptures) == 7 * 12
    assert np.mean(ruptures) > 0.85
    again = [group.histories for group in yardstick.groups()]
    assert [group.histories for group in groups] == again


def test_statistics_come_from_the_recorded_ratings_of_other_clients(tmp_path: Path) -> None:
    groups = list(planted(histories(tmp_path / "own.csv", 41), CATALOGUE, copies=2).groups())
    of_client = {
        client: statistics
        for group in groups
        for client, statistics in zip(group.truth.client.tolist(), group.statistics, strict=True)
    }
    # 21 clients have even numbers, 20 odd ones.
    assert {of_client[client] for client in range(0, 41, 2)} == {of_client[0]}
    assert of_client[0] is not None
    assert of_client[0] != of_client[1]
    # Nobody varies, as nothing of what is planted is in them.
    assert of_client[0].values[3] == 0
    few = list(planted(histories(tmp_path / "few.csv", 6), CATALOGUE, copies=2).groups())
    assert {statistics for group in few for statistics in group.statistics} == {None}


def test_a_table_without_a_client_with_two_ratings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two rated sessions"):
        planted(histories(tmp_path / "own.csv", 3, weeks=1), CATALOGUE)
