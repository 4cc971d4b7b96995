"""What `rapport evaluate` measures is measured rightly, and written where it says."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lab.commands.plugin import plugin
from lab.evaluation.curves import RECALLS, RISK_EDGES, precision_at_recalls, risk_and_truth
from lab.evaluation.explanation_accuracy import explained, true_movement
from lab.evaluation.false_alarm_rates import STARTS, kept
from lab.evaluation.metrics import Spell, caught
from lab.evaluation.practice_ratings import answered_figures, judge_own, read_forms
from lab.evaluation.subgroups import Who, fairness
from lab.product_path import judge_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.ruptures import Courses
from lab.simulator.scenarios import KINDS
from schemas.events import Movement
from schemas.instruments.catalogue import Catalogue
from services.detector.files.label_file import Label
from services.detector.model.artefact import load

SESSIONS = 8


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """A cohort of a kind that the model was not trained on."""
    rng = np.random.default_rng(3)
    return simulate(rng, 400, KINDS["as published, 12 items"](rng))


def with_fall(cohort: Cohort, falls: list[list[float]], declined: list[int]) -> Cohort:
    """One client whose components are held down so much at each session."""
    fall = np.array(falls)[None]
    shape = fall.shape[:2]
    missing = np.zeros(shape, dtype=np.bool_)
    missing[0, declined] = True
    courses = Courses(fall, fall.max(axis=2) > 0, np.zeros(shape, dtype=np.bool_), np.zeros_like(fall))
    return replace(cohort, courses=courses, declined=missing, present=np.ones(shape, dtype=np.bool_))


NONE = [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("falls", "session", "declined", "expected"),
    [
        ([NONE] * 4 + [[0.0, 0.3, 0.0]] * 2, 4, [], Movement.SUDDEN_FALL),
        ([NONE] * 4 + [[0.1, 0.15, 0.0], [0.2, 0.3, 0.0]], 5, [], Movement.SUDDEN_FALL),
        ([NONE] * 4 + [[0.3, 0.2, 0.2]] * 2, 4, [], Movement.EVERYTHING),
        ([NONE] * 3 + [[0.0, 0.1, 0.0], [0.0, 0.2, 0.0], [0.0, 0.3, 0.0]], 4, [], Movement.SLOW_SLIDE),
        ([NONE] * 4 + [[0.0, 0.3, 0.0]] * 2, 5, [5], Movement.DECLINED_FORMS),
        ([NONE] + [[0.0, 0.3, 0.0]] * 5, 1, [], Movement.LOW_FROM_START),
        ([NONE] * 3 + [[0.0, 0.3, 0.0]] * 3, 3, [0, 1], Movement.LOW_FROM_START),
    ],
)
def test_the_true_movement_is_that_of_the_simulator(
    cohort: Cohort, falls: list[list[float]], session: int, declined: list[int], expected: Movement
) -> None:
    one = with_fall(cohort, falls, declined)
    begin = next(t for t, fall in enumerate(falls) if max(fall) > 0)
    assert true_movement(one, Spell(0, begin, len(falls)), session) is expected


def test_every_caught_rupture_is_explained_once(cohort: Cohort) -> None:
    judged = judge_cohort(load(), cohort)
    found = explained(cohort, judged)
    with_form = sum(
        count
        for (after, truth, _), count in found.moved.items()
        if after == 0 and truth is not Movement.DECLINED_FORMS
    )
    assert sum(found.leading.values()) == with_form > 50


def test_a_perfect_score_has_full_precision_at_every_recall() -> None:
    rupture = np.arange(200) % 4 == 0
    assert precision_at_recalls(rupture, rupture.astype(float)).tolist() == [1.0] * RECALLS.size


def test_precision_at_a_recall_is_the_best_that_reaches_it() -> None:
    rupture = np.array([True, False, True, False, False])
    score = np.array([0.9, 0.8, 0.7, -np.inf, 0.1])
    found = precision_at_recalls(rupture, score)
    assert found[RECALLS <= 0.5].tolist() == [1.0] * 10
    assert found[RECALLS > 0.5] == pytest.approx(2 / 3)


def test_risk_and_truth_are_summed_by_bin() -> None:
    found = risk_and_truth(np.array([True, False, True]), np.array([0.01, 0.015, 1.0]))
    assert found[0].tolist() == pytest.approx([0.025, 1.0, 2.0])
    assert found[-1].tolist() == [1.0, 1.0, 1.0]
    assert found.shape == (RISK_EDGES.size - 1, 3)


def test_own_thresholds_keep_what_was_promised(cohort: Cohort) -> None:
    found = {
        (one.promised, one.threshold): one.found for one in kept(load(), cohort, judge_cohort(load(), cohort))
    }
    assert {promised for promised, _ in found} == {2.0, 5.0, 10.0}
    assert {start for _, start in found} == set(STARTS)
    assert 2 <= found[5.0, STARTS[2]] <= 8
    assert found[2.0, STARTS[2]] < found[5.0, STARTS[2]] < found[10.0, STARTS[2]]


@pytest.fixture
def rapport() -> typer.Typer:
    """A command line with the detector's commands."""
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    return app


def own_table(file: Path) -> Path:
    """Two clients, of whom one falls from the best marks to the worst at the sixth session."""
    rows = [
        [client, "t", f"{client}{week}", f"2026-01-{1 + 3 * week:02d}T10:00Z", "wai-9", *[mark] * 9]
        for client, fallen in (("a", 1), ("b", 5))
        for week, mark in enumerate([4, 5, 4, 5, 4, fallen])
    ]
    head = ["client_id", "therapist_id", "session_id", "session_at", "instrument"]
    with file.open("w", newline="", encoding="utf-8") as target:
        csv.writer(target).writerows([[*head, *(f"item_{n}" for n in range(1, 10))], *rows])
    return file


def test_precision_counts_flagged_answers_that_saw_a_rupture(tmp_path: Path) -> None:
    own = judge_own(load(), read_forms(own_table(tmp_path / "own.csv"), Catalogue.load()))
    labels = [
        Label("", "a", "a5", "t", rupture=True),
        Label("", "b", "b5", "t", rupture=False),
        Label("", "b", "not there", "t", rupture=True),
    ]
    found = dict(answered_figures(own, labels))
    assert (found["Rapport"].answered, found["Rapport"].flagged, found["Rapport"].right) == (2, 1, 1)


def test_evaluating_on_cohorts_writes_page_and_picture(rapport: typer.Typer, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    words = ["evaluate", "--clients", "40", "--seeds", "1", "--out", str(page)]
    done = CliRunner().invoke(rapport, words)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    for title in (
        "Unseen kinds",
        "Each way of flagging",
        "False alarms",
        "Leading component",
        "Kind of movement",
    ):
        assert title in text
        assert title in done.output
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert "data:image/png;base64," in text


def test_evaluating_on_own_ratings_shows_every_rule_and_the_precision(
    rapport: typer.Typer, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("client_id,session_id,answer\na,a5,discussed\n")
    page = tmp_path / "own.html"
    words = ["evaluate", "--ratings", str(own_table(tmp_path / "own.csv")), "--labels", str(labels)]
    done = CliRunner().invoke(rapport, [*words, "--out", str(page)])
    assert done.exit_code == 0, done.output
    for text in ("12 rated sessions", "vendor rule", "XmR chart", "EWMA", "answered about"):
        assert text in page.read_text()


def test_every_grouping_of_clients_counts_each_session_and_each_rupture_once(cohort: Cohort) -> None:
    judged = judge_cohort(load(), cohort)
    found = fairness(cohort, judged)
    rated = cohort.present & ~cohort.declined
    rupture = cohort.rupture & cohort.present
    all_caught = caught(rupture, rated, judged.flagged)
    flagged = judged.flagged & rated & ~rupture
    for by in {who.by for who in found.stable}:
        counts = [
            sum(n for who, n in counted.items() if who.by == by)
            for counted in (found.stable, found.false, found.ruptures, found.caught)
        ]
        totals = [(rated & ~rupture).sum(), flagged.sum(), all_caught.ruptures, all_caught.caught]
        assert counts == totals


def test_clients_are_grouped_by_what_they_are(cohort: Cohort) -> None:
    forms = cohort.forms.copy()
    forms[:, :, :3] = np.linspace(0.1, 0.9, 400)[:, None, None]
    flat = replace(
        cohort,
        forms=forms,
        present=np.ones_like(cohort.present),
        declined=np.zeros_like(cohort.declined),
    )
    flat.declined[:10, 3] = True
    found = fairness(flat, judge_cohort(load(), flat))
    stable = (~flat.rupture & ~flat.declined).sum(axis=1)
    low = Who("mean level", "lowest third")
    assert found.stable[low] == stable[:133].sum() or found.stable[low] == stable[:134].sum()
    assert found.stable[Who("forms not given", "some")] == stable[:10].sum()
    assert {who.group for who in found.stable if who.by == "instrument"} == {cohort.world.shape.name}
