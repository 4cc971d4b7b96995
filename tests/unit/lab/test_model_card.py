"""The model card states what was measured: one command measures it and writes it, the same every time."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.commands import evaluate as evaluate_command
from lab.commands.plugin import plugin
from lab.evaluation import evaluate as measuring
from lab.evaluation.evaluate import KindFigures, evaluate
from lab.evaluation.monotonicity import Lowered
from lab.evaluation.monotonicity import measure_all as measure_lowering
from lab.evaluation.share_of_optimum import Optimal, optimal_rows
from lab.optimal_filter import cache
from lab.reports.model_card import card
from lab.reports.movement_rows import movement_rows
from lab.simulator.scenarios import KINDS
from services.detector.model.artefact import SHIPPED
from services.detector.model.manifest import read_manifest
from services.detector.model.trained_detector import TrainedDetector

FEW = ("as published, 12 items", "short treatments")
CLIENTS, SEEDS, PARTICLES = 20, 2, 100


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds of cohort, and few forms to lower."""
    few = {name: KINDS[name] for name in FEW}
    monkeypatch.setattr(measuring, "KINDS", few)
    monkeypatch.setattr(evaluate_command, "KINDS", few)
    monkeypatch.setattr(evaluate_command, "measure_all", lowered)


def lowered(detector: TrainedDetector) -> list[Lowered]:
    """The same of few clients."""
    return measure_lowering(detector, clients=60)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Runs the command as `make evaluate` does; what the card then says."""
    import typer

    app = typer.Typer()
    assert plugin.register is not None
    plugin.register(app)

    def run(name: str) -> str:
        words = ["evaluate", "--clients", str(CLIENTS), "--seeds", str(SEEDS), "--optimal"]
        words += ["--particles", str(PARTICLES), "--optimal-kept", str(tmp_path / "kept")]
        words += ["--card", str(tmp_path / name), "--out", str(tmp_path / "page.html")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return (tmp_path / name).read_text(encoding="utf-8")

    return run


@pytest.fixture
def results(detector: TrainedDetector, tmp_path: Path) -> list[KindFigures]:
    """The same figures, measured without the command."""
    asked = Optimal(PARTICLES, SEEDS, alike=False, kept=tmp_path / "own")
    return evaluate(detector, CLIENTS, range(SEEDS), lambda _: None, asked)


def test_the_card_that_is_written_states_what_was_measured(
    write: Callable[[str], str], results: list[KindFigures], detector: TrainedDetector
) -> None:
    text = write("CARD.md")
    assert text == card(read_manifest(SHIPPED), results, lowered(detector))
    for name in FEW:
        runs = [run for run in results if run.kind == name]
        areas = [run.model.ranking.auprc for run in runs]
        assert f"| {name} | {sum(run.rupture_per_100 for run in runs) / SEEDS:.1f} |" in text
        assert f" | {sum(areas) / SEEDS:.3f} |" in text
        optimal = [run.optimal for run in runs if run.optimal]
        assert f"| {' | '.join(optimal_rows([(name, optimal)])[0])} |" in text
    for row in movement_rows(results):
        assert f"| {' | '.join(row)} |" in text
    assert f"({PARTICLES} particles" in text


def test_a_run_that_goes_on_from_what_is_kept_writes_the_same_card(
    write: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_again(*_: object) -> None:
        raise AssertionError("this was kept")

    first = write("first.md")
    monkeypatch.setattr(cache, "optimal_risk", not_again)
    assert write("second.md") == first


def test_make_evaluate_runs_all_that_the_card_needs() -> None:
    rule = Path("Makefile").read_text(encoding="utf-8").split("\nevaluate:")[1].split("\n\n")[0]
    for word in ("--optimal ", "--optimal-kept", "--card"):
        assert word in rule
