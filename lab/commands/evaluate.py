"""`rapport evaluate`: a model in, its figures out: on the terminal, as page, as picture, as model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console

from lab.evaluation.evaluate import evaluate
from lab.evaluation.monotonicity import measure_all
from lab.evaluation.practice_ratings import answered_figures, judge_own, own_figures, read_forms
from lab.evaluation.share_of_optimum import Optimal
from lab.reports.html_page import page
from lab.reports.model_card import card
from lab.reports.plots import NoPictures, draw
from lab.reports.tables import (
    Grid,
    answered_grid,
    confusion_grid,
    kinds_grid,
    leading_grid,
    movement_grid,
    optimal_grid,
    own_grid,
    promise_grid,
    rules_grid,
    shown,
)
from lab.simulator.scenarios import KINDS
from schemas.instruments.settings import InstrumentSettings
from services.detector.domain.detector import Detector
from services.detector.files.label_file import read_labels
from services.detector.model.artefact import load
from services.detector.model.manifest import read_manifest
from services.runtime.process.progress_bar import step_counter


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured on simulated cohorts."""

    clients: int
    seeds: int
    optimal: Optimal | None
    """None: the optimal filter is not run."""


def on_cohorts(folder: Path, wanted: Wanted, out: Path, card_file: Path | None) -> None:
    """Measure on simulated cohorts, print, and write `out` and the picture beside it."""
    detector = load(folder)
    with step_counter("measuring", len(KINDS) * wanted.seeds) as told:
        results = evaluate(detector, wanted.clients, range(wanted.seeds), told, wanted.optimal)
    grids = [
        kinds_grid(results),
        rules_grid(results),
        promise_grid(results),
        leading_grid(results),
        movement_grid(results),
        confusion_grid(results),
    ]
    if wanted.optimal:
        grids.insert(1, optimal_grid(results))
    about = f"{len(results)} simulated cohorts of {wanted.clients} clients, of kinds not trained on."
    picture = None
    try:
        picture = draw(results)
        out.with_suffix(".png").write_bytes(picture)
    except NoPictures as why:
        typer.secho(str(why), err=True, fg="yellow")
    _show(detector, about, grids, out, picture)
    if card_file is not None:
        card_file.write_text(card(read_manifest(folder), results, measure_all(detector)), encoding="utf-8")
        typer.echo(f"Model card written to {card_file}.")


def on_own(folder: Path, ratings: Path, labels: Path | None, out: Path) -> None:
    """Measure on a practice's own ratings, and on its therapists' answers where they are given."""
    detector = load(folder)
    forms = read_forms(ratings, InstrumentSettings().catalogue())
    if forms.refused:
        typer.echo(f"{forms.refused} rows are no valid rating and were left out.")
    own = judge_own(detector, forms)
    grids = [own_grid(own.rated, own_figures(own))]
    if labels is not None:
        grids.append(answered_grid(answered_figures(own, read_labels(labels))))
    _show(detector, f"{own.rated} rated sessions of {len(own.keys)} dyads of your own.", grids, out, None)


def _show(detector: Detector, about: str, grids: Sequence[Grid], out: Path, picture: bytes | None) -> None:
    console = Console()
    for grid in grids:
        console.print(shown(grid))
    out.write_text(page(detector.version, about, grids, picture), encoding="utf-8")
    typer.echo(f"Written to {out}.")
