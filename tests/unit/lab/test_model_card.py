"""One command measures and writes the model card, and the shipped card has the words it would write."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lab.commands.plugin import plugin
from lab.evaluation import evaluate as measuring
from lab.evaluation import yardsticks
from lab.evaluation.evaluate import ScenarioFigures, evaluate
from lab.evaluation.monotonicity import LoweringResult
from lab.evaluation.monotonicity import measure_all as measure_lowering
from lab.evaluation.share_of_optimum import OptimalFilterSettings
from lab.optimal_filter import cache
from lab.reports import evaluation_report
from lab.reports.comparison_report import compare_models
from lab.reports.comparison_table import comparison_table
from lab.reports.model_card import card
from lab.reports.rows import movement_rows, optimal_rows
from lab.reports.tables import ResultTable
from lab.simulator.scenarios import SCENARIOS
from services.detector.model.artefact import SHIPPED
from services.detector.model.manifest import read_manifest
from services.detector.model.trained_detector import TrainedDetector

pytestmark = pytest.mark.study

FEW = ("as published, 12 items", "short treatments")
CLIENTS, SEEDS, PARTICLES, WORLDS = 20, 2, 100, 2


@pytest.fixture(autouse=True, scope="module")
def little() -> Iterator[None]:
    """Only two scenarios, and few forms to lower."""
    few = {name: SCENARIOS[name] for name in FEW}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "SCENARIOS", few)
        patch.setattr(yardsticks, "SCENARIOS", few)
        patch.setattr(evaluation_report, "SCENARIOS", few)
        patch.setattr(evaluation_report, "measure_all", lowered)
        yield


def lowered(detector: TrainedDetector) -> list[LoweringResult]:
    """Measure the same on few clients."""
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
        words += [
            "--worlds",
            str(WORLDS),
            "--particles",
            str(PARTICLES),
            "--optimal-kept",
            str(tmp_path / "kept"),
        ]
        words += ["--card", str(tmp_path / name), "--out", str(tmp_path / "page.html")]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        return (tmp_path / name).read_text(encoding="utf-8")

    return run


@pytest.fixture(scope="module")
def results(detector: TrainedDetector, tmp_path_factory: pytest.TempPathFactory) -> list[ScenarioFigures]:
    """The same figures, measured without the command."""
    cache_folder = tmp_path_factory.mktemp("own")
    settings = OptimalFilterSettings(PARTICLES, SEEDS, ignore_item_offsets=False, cache=cache_folder)
    return evaluate(detector, CLIENTS, range(SEEDS), lambda _: None, settings)


@pytest.fixture(scope="module")
def compared(detector: TrainedDetector) -> ResultTable:
    """The comparison with the model before, made without the command."""
    practices = yardsticks.simulated_yardsticks(worlds=WORLDS, clients=CLIENTS, seeds=SEEDS)
    return comparison_table(compare_models(detector, None, practices))


def test_the_written_card_states_the_measured_figures(
    write: Callable[[str], str],
    results: list[ScenarioFigures],
    compared: ResultTable,
    detector: TrainedDetector,
) -> None:
    text = write("CARD.md")
    assert text == card(read_manifest(SHIPPED), results, lowered(detector), compared)
    for row in compared.rows:
        assert f"| {' | '.join(row)} |" in text
    for name in FEW:
        runs = [run for run in results if run.scenario == name]
        areas = [run.model.ranking.auprc for run in runs]
        assert f"| {name} | {sum(run.rupture_per_100 for run in runs) / SEEDS:.1f} |" in text
        assert f" | {sum(areas) / SEEDS:.3f} |" in text
        optimal = [run.optimal for run in runs if run.optimal]
        assert f"| {' | '.join(optimal_rows({name: optimal})[0])} |" in text
    for row in movement_rows(results):
        assert f"| {' | '.join(row)} |" in text
    assert f"({PARTICLES} particles" in text


def test_a_run_with_cached_risks_of_the_optimal_filter_writes_the_same_card(
    write: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_not_called(*_: object) -> None:
        raise AssertionError("this risk is in the cache")

    first = write("first.md")
    monkeypatch.setattr(cache, "optimal_risk", is_not_called)
    assert write("second.md") == first


def test_make_evaluate_runs_everything_that_the_card_needs() -> None:
    rule = Path("Makefile").read_text(encoding="utf-8").split("\nevaluate:")[1].split("\n\n")[0]
    for word in ("--optimal ", "--optimal-kept", "--card"):
        assert word in rule


def _without_figures(text: str) -> list[str]:
    # Tables differ in their rows, paragraphs in their wrapping: what is left are words and table heads.
    lines = text.splitlines()
    heads = [line for line in lines if line.startswith(("| scenario", "| way", "| true", "| clients"))]
    prose = " ".join(line for line in lines if not line.startswith("|"))
    return [*heads, *re.sub(r"\S*\d\S*", "0", prose).split()]


def test_the_shipped_card_has_the_words_that_would_be_written_today(
    results: list[ScenarioFigures], compared: ResultTable, detector: TrainedDetector
) -> None:
    shipped = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    if "the optimal filter" not in shipped.lower():  # a card may be written without that run of hours
        results = [replace(run, optimal=None) for run in results]
    today = card(read_manifest(SHIPPED), results, lowered(detector), compared)
    assert _without_figures(today) == _without_figures(shipped)
