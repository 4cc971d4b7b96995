"""Evaluates a model, prints the tables, and writes the HTML page, the plots and the model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from lab.evaluation.evaluate import evaluate
from lab.evaluation.monotonicity import measure_all
from lab.evaluation.paired_comparison import YardstickComparison
from lab.evaluation.planted_courses import planted
from lab.evaluation.practice_figures import answered_figures, assess_practice, practice_figures
from lab.evaluation.share_of_optimum import OptimalFilterSettings
from lab.evaluation.yardsticks import simulated_yardsticks
from lab.practice_histories import PracticeHistories, read_histories
from lab.reports.comparison_report import compare_models, pictures_of, write_json
from lab.reports.comparison_table import comparison_table, planted_words
from lab.reports.html_page import Picture, render_page
from lab.reports.model_card import card
from lab.reports.plots import MatplotlibMissing, plot_results
from lab.reports.tables import ResultTable, answered_table, evaluation_tables, for_terminal, practice_table
from lab.simulator.scenarios import SCENARIOS
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.settings import InstrumentSettings
from schemas.rating_tables.table_errors import UnusableTable
from services.detector.domain.detector import Detector
from services.detector.files.label_file import read_labels
from services.detector.model.artefact import load
from services.detector.model.manifest import read_manifest
from services.runtime.process.progress_bar import step_counter

_CURVES = (
    "Curves of precision and recall, of reliability, and of ruptures detected by delay; the tables below hold"
    " the figures."
)


@dataclass(frozen=True, slots=True)
class EvaluationSize:
    """What to measure on simulated cohorts."""

    clients: int
    """Clients per cohort."""
    seeds: int
    """Cohorts per scenario."""
    worlds: int
    """Held-out worlds of each family that the model and the model before are compared on."""
    optimal: OptimalFilterSettings | None
    """None: the optimal filter is not run."""


def report_on_cohorts(
    folder: Path, size: EvaluationSize, out: Path, card_file: Path | None, before: Path | None = None
) -> None:
    """Evaluate the model of a folder on simulated cohorts, and compare it with the one in `before`.

    Writes the page `out`, and beside it the plot of the cohorts (PNG) and the comparison (JSON). Without
    `before` the kept model is the model before.

    Raises:
        UnusableModel: a model cannot be loaded.
    """
    detector = load(folder)
    yardsticks = simulated_yardsticks(worlds=size.worlds, clients=size.clients, seeds=size.seeds)
    comparisons = compare_models(detector, before, yardsticks)
    with step_counter("measuring", len(SCENARIOS) * size.seeds) as progress:
        results = evaluate(detector, size.clients, range(size.seeds), progress, size.optimal)
    about = (
        f"{len(results)} simulated cohorts of {size.clients} clients, of scenarios that were not trained on."
    )
    pictures = pictures_of(comparisons)
    try:
        plot = plot_results(results)
        out.with_suffix(".png").write_bytes(plot)
        pictures.append(Picture(_CURVES, plot))
    except MatplotlibMissing as error:
        typer.secho(str(error), err=True, fg="yellow")
    compared = _compared(comparisons, out)
    _show(detector, [about], [*compared, *evaluation_tables(results)], out, pictures)
    if card_file is not None:
        lowered = measure_all(detector)
        text = card(read_manifest(folder), results, lowered, compared[0] if compared else None)
        card_file.write_text(text, encoding="utf-8")
        typer.echo(f"Model card written to {card_file}.")


def report_on_practice(
    folder: Path, ratings: Path, labels: Path | None, out: Path, mapping: Path | None = None
) -> None:
    """Evaluate the model of a folder on a practice's own ratings, and on its therapists' answers if given.

    Raises:
        UnreadableTable: a row of a table does not fit, or an answer is unknown.
        UnusableTable: the table of ratings cannot be understood.
    """
    detector = load(folder)
    answers = None if labels is None else read_labels(labels)
    histories = _histories(ratings, InstrumentSettings().catalogue(), mapping)
    if not histories.dyads:
        raise UnusableTable(f"{ratings} has no valid rating of the alliance: there is nothing to evaluate.")
    practice = assess_practice(detector, histories)
    tables = [practice_table(practice.rated, practice_figures(practice))]
    if answers is not None:
        tables.append(answered_table(answered_figures(practice, answers)))
    about = f"{practice.rated} rated sessions of {len(histories.dyads)} dyads of your own."
    _show(detector, [about], tables, out, [])


def report_on_planted(
    folder: Path, ratings: Path, out: Path, before: Path | None = None, mapping: Path | None = None
) -> None:
    """Plant ruptures into copies of a practice's own courses, and say how the model of a folder finds them.

    Raises:
        UnreadableTable: a row does not fit under the header.
        UnusableTable: the table cannot be understood.
        ValueError: no client has two rated sessions.
        UnusableModel: a model cannot be loaded.
    """
    detector = load(folder)
    catalogue = InstrumentSettings().catalogue()
    histories = _histories(ratings, catalogue, mapping)
    comparisons = compare_models(detector, before, [planted(histories, catalogue)])
    words = [planted_words(comparison) for comparison in comparisons]
    for paragraph in words:
        typer.echo(paragraph)
    about = f"Ruptures planted into the ratings of {len(histories.dyads)} dyads of your own."
    _show(detector, [about, *words], _compared(comparisons, out), out, pictures_of(comparisons))


def _histories(ratings: Path, catalogue: Catalogue, mapping: Path | None) -> PracticeHistories:
    histories = read_histories(ratings, catalogue, mapping)
    if histories.invalid_rows:
        typer.echo(f"{histories.invalid_rows} rows are not valid ratings and were left out.")
    return histories


def _compared(comparisons: Sequence[YardstickComparison], out: Path) -> list[ResultTable]:
    if not comparisons:
        return []
    write_json(comparisons, out.with_suffix(".json"))
    return [comparison_table(comparisons)]


def _show(
    detector: Detector,
    about: Sequence[str],
    tables: Sequence[ResultTable],
    out: Path,
    pictures: Sequence[Picture],
) -> None:
    console = Console()
    for table in tables:
        console.print(for_terminal(table))
    out.write_text(render_page(detector.version, about, tables, pictures), encoding="utf-8")
    typer.echo(f"Written to {out}.")
