"""`rapport evaluate` measures what it states, and writes it to the given files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lab.commands.plugin import plugin
from lab.evaluation.curves import RECALLS, RISK_EDGES, precision_at_recalls, risk_and_truth
from lab.evaluation.explanation_accuracy import count_explanations, true_movement
from lab.evaluation.false_alarm_rates import STARTS, false_alarm_rates
from lab.evaluation.metrics import RuptureSpan, detection_figures
from lab.evaluation.practice_figures import answered_figures, assess_practice
from lab.evaluation.subgroups import Subgroup, count_by_subgroup
from lab.practice_histories import read_histories
from lab.product_path import assess_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.ruptures import LatentCourses
from lab.simulator.scenarios import SCENARIOS
from schemas.events import Movement
from schemas.instruments.catalogue import Catalogue
from services.detector.files.label_file import Label
from services.detector.model.artefact import load

pytestmark = pytest.mark.study

SESSIONS = 8


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """A cohort of a scenario that the model was not trained on."""
    rng = np.random.default_rng(3)
    return simulate(rng, 400, SCENARIOS["as published, 12 items"](rng))


def with_fall(cohort: Cohort, falls: list[list[float]], declined: list[int]) -> Cohort:
    """Return one client whose components fall by this much at each session."""
    fall = np.array(falls)[None]
    shape = fall.shape[:2]
    missing = np.zeros(shape, dtype=np.bool_)
    missing[0, declined] = True
    courses = LatentCourses(fall, fall.max(axis=2) > 0, np.zeros(shape, dtype=np.bool_), np.zeros_like(fall))
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
    assert true_movement(one, RuptureSpan(0, begin, len(falls)), session) is expected


def test_every_caught_rupture_is_explained_once(cohort: Cohort) -> None:
    counts = count_explanations(cohort, assess_cohort(load(), cohort))
    with_form = sum(
        count
        for (after, truth, _), count in counts.movements.items()
        if after == 0 and truth is not Movement.DECLINED_FORMS
    )
    assert sum(counts.leading.values()) == with_form > 50


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


def test_own_thresholds_come_near_the_promised_rate_of_false_alarms_on_average() -> None:
    observed: dict[tuple[float, str], list[float]] = {}
    for seed in range(1, 5):
        rng = np.random.default_rng(seed)
        practice = simulate(rng, 400, SCENARIOS["as published, 12 items"](rng))
        for rate in false_alarm_rates(load(), practice, assess_cohort(load(), practice)):
            observed.setdefault((rate.promised, rate.threshold), []).append(rate.observed)
    found = {key: np.mean(rates) for key, rates in observed.items()}
    assert {promised for promised, _ in found} == {2.0, 5.0, 10.0}
    assert {start for _, start in found} == set(STARTS)
    assert 2 <= found[5.0, STARTS[2]] <= 8
    assert found[2.0, STARTS[2]] < found[5.0, STARTS[2]] < found[10.0, STARTS[2]]


def write_table(file: Path, rows: list[dict[str, str]]) -> Path:
    """Write ratings in `wai-9`, the same mark for every item."""
    same = {"client_id": "c", "therapist_id": "t", "instrument": "wai-9"}
    written = [
        same
        | {name: value for name, value in row.items() if name != "mark"}
        | {f"item_{number}": row["mark"] for number in range(1, 10)}
        for row in rows
    ]
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.DictWriter(target, list(dict.fromkeys(name for row in written for name in row)))
        writer.writeheader()
        writer.writerows(written)
    return file


@pytest.mark.parametrize(
    ("recorded", "bond"), [(("", ""), 1.0), (("2026-01-03T10:00Z", "2026-01-02T10:00Z"), 0.0)]
)
def test_of_two_versions_of_a_rating_the_latest_recorded_counts_and_else_the_later_row(
    tmp_path: Path, recorded: tuple[str, str], bond: float
) -> None:
    rows = [
        {"session_id": "s1", "session_at": "2026-01-01T10:00Z", "recorded_at": at, "mark": mark}
        for at, mark in zip(recorded, ("1", "5"), strict=True)
    ]
    file = write_table(tmp_path / "own.csv", [*rows, rows[0] | {"session_id": "s2", "mark": "9"}])
    histories = read_histories(file, Catalogue.load())
    assert [[form.bond for form in dyad.forms] for dyad in histories.dyads] == [[bond]]
    assert histories.invalid_rows == 1


def test_a_withdrawn_rating_is_in_no_history(tmp_path: Path) -> None:
    first = {"session_id": "s1", "session_at": "2026-01-01T10:00Z", "status": "rated", "mark": "4"}
    second = first | {"session_id": "s2", "session_at": "2026-01-08T10:00Z"}
    file = write_table(tmp_path / "own.csv", [first, second, second | {"status": "withdrawn", "mark": ""}])
    [dyad] = read_histories(file, Catalogue.load()).dyads
    assert [form.order.session_id for form in dyad.forms] == ["s1"]


@pytest.fixture
def rapport() -> typer.Typer:
    """A command line with the lab's commands."""
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    return app


def own_table(file: Path) -> Path:
    """Write the ratings of two clients, of whom one falls to the lowest marks at the sixth session."""
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
    practice = assess_practice(load(), read_histories(own_table(tmp_path / "own.csv"), Catalogue.load()))
    labels = [
        Label("", "a", "a5", "t", rupture=True),
        Label("", "b", "b5", "t", rupture=False),
        Label("", "b", "not there", "t", rupture=True),
    ]
    found = dict(answered_figures(practice, labels))
    assert (found["Rapport"].answered, found["Rapport"].flagged, found["Rapport"].right) == (2, 1, 1)


def test_evaluating_on_cohorts_writes_page_and_picture(rapport: typer.Typer, tmp_path: Path) -> None:
    page = tmp_path / "found.html"
    words = ["evaluate", "--clients", "40", "--seeds", "1", "--worlds", "2", "--out", str(page)]
    done = CliRunner().invoke(rapport, words)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    for title in (
        "Scenarios",
        "Each way of flagging",
        "False alarms",
        "Leading component",
        "Kind of movement",
    ):
        assert title in text
        assert title in done.output
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert text.count("data:image/png;base64,") == 4
    for name in ("kinds (12 practices)", "first family, held out (2", "second family, held out (2"):
        assert name in text
        assert name in done.output
    compared = json.loads((tmp_path / "found.json").read_text())
    assert [one["practices"] for one in compared] == [12, 2, 2]


def test_planting_into_own_ratings_says_in_words_how_the_model_does(
    rapport: typer.Typer, tmp_path: Path
) -> None:
    page = tmp_path / "own.html"
    words = ["evaluate", "--ratings", str(own_table(tmp_path / "own.csv")), "--planted", "--out", str(page)]
    done = CliRunner().invoke(rapport, words)
    assert done.exit_code == 0, done.output
    [compared] = json.loads((tmp_path / "own.json").read_text())
    assert (compared["one_practice"], compared["clients"]) == (True, 2)
    said = f"{compared['ruptures']} falls of known depth were planted into copies of the courses of your 2"
    caught = f"catches {100 * compared['others'][0]['figures']['caught']:.0f} of 100 planted ruptures"
    for text in (said, caught):
        assert text in done.output
        assert text in page.read_text()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--planted"], "--planted needs the --ratings"),
        (["--labels", "FILE"], "--labels needs the --ratings"),
        (["--ratings", "FILE", "--labels", "FILE", "--planted"], "leave out --labels"),
    ],
)
def test_options_that_need_or_exclude_another_say_so(
    rapport: typer.Typer, tmp_path: Path, words: list[str], reason: str
) -> None:
    file = own_table(tmp_path / "own.csv")
    done = CliRunner().invoke(rapport, ["evaluate", *(str(file) if w == "FILE" else w for w in words)])
    assert done.exit_code == 2
    assert reason in " ".join(done.output.replace("│", " ").split())


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
    assessed = assess_cohort(load(), cohort)
    counts = count_by_subgroup(cohort, assessed)
    rated = cohort.present & ~cohort.declined
    rupture = cohort.rupture & cohort.present
    detection = detection_figures(rupture, rated, assessed.flagged)
    flagged = assessed.flagged & rated & ~rupture
    for by in {group.by for group in counts.stable}:
        sums = [
            sum(n for group, n in counter.items() if group.by == by)
            for counter in (counts.stable, counts.false, counts.ruptures, counts.detected)
        ]
        assert sums == [(rated & ~rupture).sum(), flagged.sum(), detection.ruptures, detection.detected]


def test_clients_are_grouped_by_level_missing_forms_and_instrument(cohort: Cohort) -> None:
    forms = cohort.forms.copy()
    forms[:, :, :3] = np.linspace(0.1, 0.9, 400)[:, None, None]
    flat = replace(
        cohort,
        forms=forms,
        present=np.ones_like(cohort.present),
        declined=np.zeros_like(cohort.declined),
    )
    flat.declined[:10, 3] = True
    counts = count_by_subgroup(flat, assess_cohort(load(), flat))
    stable = (~flat.rupture & ~flat.declined).sum(axis=1)
    low = Subgroup("mean level", "lowest third")
    assert counts.stable[low] in (stable[:133].sum(), stable[:134].sum())
    assert counts.stable[Subgroup("forms not given", "some")] == stable[:10].sum()
    assert {group.group for group in counts.stable if group.by == "instrument"} == {
        cohort.world.instrument.id
    }
