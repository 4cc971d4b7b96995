"""Evaluates a model, prints the tables, and writes the HTML page, the plot and the model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from lab.evaluation.evaluate import evaluate
from lab.evaluation.monotonicity import measure_all
from lab.evaluation.practice_figures import answered_figures, assess_practice, practice_figures
from lab.evaluation.share_of_optimum import OptimalFilterSettings
from lab.practice_histories import read_histories
from lab.reports.html_page import render_page
from lab.reports.model_card import card
from lab.reports.plots import MatplotlibMissing, plot_results
from lab.reports.tables import ResultTable, answered_table, evaluation_tables, for_terminal, practice_table
from lab.simulator.scenarios import SCENARIOS
from schemas.instruments.settings import InstrumentSettings
from services.detector.domain.detector import Detector
from services.detector.files.label_file import read_labels
from services.detector.model.artefact import load
from services.detector.model.manifest import read_manifest
from services.runtime.process.progress_bar import step_counter


@dataclass(frozen=True, slots=True)
class EvaluationSize:
    """What to measure on simulated cohorts."""

    clients: int
    """Clients per cohort."""
    seeds: int
    """Cohorts per scenario."""
    optimal: OptimalFilterSettings | None
    """None: the optimal filter is not run."""


def report_on_cohorts(folder: Path, size: EvaluationSize, out: Path, card_file: Path | None) -> None:
    """Evaluate the model of a folder on simulated cohorts; write `out`, and the plot with its name."""
    detector = load(folder)
    with step_counter("measuring", len(SCENARIOS) * size.seeds) as progress:
        results = evaluate(detector, size.clients, range(size.seeds), progress, size.optimal)
    about = (
        f"{len(results)} simulated cohorts of {size.clients} clients, of scenarios that were not trained on."
    )
    plot = None
    try:
        plot = plot_results(results)
        out.with_suffix(".png").write_bytes(plot)
    except MatplotlibMissing as error:
        typer.secho(str(error), err=True, fg="yellow")
    _show(detector, about, evaluation_tables(results), out, plot)
    if card_file is not None:
        card_file.write_text(card(read_manifest(folder), results, measure_all(detector)), encoding="utf-8")
        typer.echo(f"Model card written to {card_file}.")


def report_on_practice(folder: Path, ratings: Path, labels: Path | None, out: Path) -> None:
    """Evaluate the model of a folder on a practice's own ratings, and on its therapists' answers if given.

    Raises:
        ValueError: a column is missing, or an answer is unknown.
    """
    detector = load(folder)
    histories = read_histories(ratings, InstrumentSettings().catalogue())
    if histories.invalid_rows:
        typer.echo(f"{histories.invalid_rows} rows are not valid ratings and were left out.")
    practice = assess_practice(detector, histories)
    tables = [practice_table(practice.rated, practice_figures(practice))]
    if labels is not None:
        tables.append(answered_table(answered_figures(practice, read_labels(labels))))
    about = f"{practice.rated} rated sessions of {len(histories.dyads)} dyads of your own."
    _show(detector, about, tables, out, None)


def _show(
    detector: Detector, about: str, tables: Sequence[ResultTable], out: Path, plot: bytes | None
) -> None:
    console = Console()
    for table in tables:
        console.print(for_terminal(table))
    out.write_text(render_page(detector.version, about, tables, plot), encoding="utf-8")
    typer.echo(f"Written to {out}.")
