"""`rapport train --ratings --labels` writes a candidate from a simulated practice, or gives the reason."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lab.commands.plugin import plugin
from lab.messages import simulated_messages
from lab.product_path import assess_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.item_responses import in_instrument_units
from lab.simulator.scenarios import SCENARIOS
from schemas.instruments.catalogue import Catalogue
from services.detector.model.artefact import load
from services.detector.model.manifest import read_manifest

pytestmark = pytest.mark.study

CLIENTS = 900
BEGAN = datetime(2025, 1, 6, 10, tzinfo=UTC)
WAI_SR = Catalogue.load().get("wai-sr")
HEAD = ("client_id", "therapist_id", "session_id", "session_at", "instrument")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A practice's ratings, and its therapists' answers to every message, all of them right."""
    rng = np.random.default_rng([0, *b"many missing"])
    world = SCENARIOS["many missing"](rng)
    # Ruptures are rarer than in the model's training, so its risks are too high here.
    world = replace(world, instrument=WAI_SR, ruptures=replace(world.ruptures, hazard=0.012))
    cohort = simulate(rng, CLIENTS, world)
    folder = tmp_path_factory.mktemp("practice")
    return _ratings(folder / "ratings.csv", cohort), _labels(folder / "labels.csv", cohort)


def _ratings(file: Path, cohort: Cohort) -> Path:
    marks = in_instrument_units(WAI_SR, cohort.marks.copy())
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow([*HEAD, *(f"item_{n}" for n in range(1, 13))])
        for client, t in zip(*np.nonzero(cohort.present), strict=True):
            given = ["" if np.isnan(mark) else f"{mark:g}" for mark in marks[client, t].tolist()]
            items = [""] * 12 if cohort.declined[client, t] else given
            at = (BEGAN + timedelta(weeks=int(t))).isoformat()
            who = [f"c{client}", f"t{cohort.therapist[client]}", f"s{client}-{t}", at, "wai-sr"]
            writer.writerow([*who, *items])
    return file


def _labels(file: Path, cohort: Cohort) -> Path:
    opened = assess_cohort(load(), cohort).opened
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["therapist_id", "client_id", "session_id", "answer"])
        for client, t in zip(*np.nonzero(opened), strict=True):
            answer = "discussed" if cohort.rupture[client, t] else "not-relevant"
            writer.writerow([f"t{cohort.therapist[client]}", f"c{client}", f"s{client}-{t}", answer])
    return file


@pytest.fixture
def rapport() -> typer.Typer:
    """A command line with the detector's commands."""
    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)
    return app


def test_a_better_candidate_is_written_and_can_be_used(
    rapport: typer.Typer, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few practices give figures for the commonest kinds of message alone.
    monkeypatch.setattr(simulated_messages, "PRACTICES", 20)
    out = tmp_path / "candidate"
    ratings, labels = map(str, files)
    done = CliRunner().invoke(rapport, ["train", "--ratings", ratings, "--labels", labels, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "in use" in done.output
    assert "candidate" in done.output
    manifest = read_manifest(out)
    assert manifest.learned_from == load().version
    assert manifest.message_precision is not None
    assert "step" in manifest.message_precision
    candidate = load(out)
    assert candidate.version == manifest.version != load().version
    assert candidate.reference is not None
    assert candidate.reference.model_version == candidate.version


def test_too_few_answers_are_refused_with_their_number_and_nothing_is_written(
    rapport: typer.Typer, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ratings, labels = files
    few = tmp_path / "few.csv"
    few.write_text("".join(labels.read_text().splitlines(keepends=True)[:100]))
    out = tmp_path / "candidate"
    words = ["train", "--ratings", str(ratings), "--labels", str(few), "--out", str(out)]
    done = CliRunner().invoke(rapport, words)
    assert (done.exit_code, "99 answers belong to rated sessions, 200 are needed" in done.output) == (1, True)
    assert not out.exists()


def test_ratings_without_labels_are_refused(
    rapport: typer.Typer, files: tuple[Path, Path], tmp_path: Path
) -> None:
    done = CliRunner().invoke(rapport, ["train", "--ratings", str(files[0]), "--out", str(tmp_path / "c")])
    assert done.exit_code == 2
