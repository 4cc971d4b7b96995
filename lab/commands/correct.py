"""`rapport train --ratings --labels`: files in, a table of old and new and a candidate's folder out."""

from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table

from lab.evaluation.practice_ratings import read_forms
from lab.training.candidate import write_candidate
from lab.training.label_correction import Learned, NotEnough, learn
from schemas.instruments.settings import InstrumentSettings
from services.detector.files.label_file import read_labels
from services.detector.model.artefact import SHIPPED, load
from services.runtime.process.errors import Halt
from services.runtime.process.plain_table import plain_table


def learn_from_answers(ratings: Path, labels: Path, model: Path | None, out: Path) -> None:
    """Learn, print the comparison, and write a candidate if it is better."""
    base = model or SHIPPED
    try:
        forms = read_forms(ratings, InstrumentSettings().catalogue())
        detector = load(base)
        learned = learn(detector, forms, read_labels(labels))
    except NotEnough as why:
        _stop(f"Nothing may be learned yet: {why}.")
    except (ValueError, Halt) as bad:
        _stop(f"{bad}\nNothing was written.")
    Console().print(learned_table(learned, detector.threshold))
    if not learned.is_better:
        _stop(
            "On dyads that it has not seen the corrected risk fits the answers no better than chance allows:"
            " nothing was written, and the model in use stays."
        )
    try:
        manifest = write_candidate(base, out, learned)
    except ValueError as bad:
        _stop(str(bad))
    typer.echo(
        f"Candidate {manifest.version} written to {out}. It scores nothing yet: add the folder to"
        " DETECTOR_OTHER_MODEL_DIRS of every detector, restart them, then\n"
        f"  rapport models activate --model {out} --practice …"
    )


def learned_table(learned: Learned, threshold: float) -> Table:
    """Old and new on held-out dyads."""
    table = plain_table(
        f"{learned.labels} answers of {learned.therapists} therapists, {learned.yes} saw a rupture;"
        " each judged by a correction that has not seen its dyad"
    )
    for title in ("", "log loss", "Brier score", "mean risk", "saw a rupture", "threshold"):
        table.add_column(title, justify="right" if title else "left")
    seen = f"{learned.yes / learned.labels:.3f}"
    for name, one, cut in (
        ("in use", learned.before, threshold),
        ("candidate", learned.after, learned.threshold),
    ):
        figures = (one.log_loss, one.brier, one.mean_risk)
        table.add_row(name, *(f"{value:.3f}" for value in figures), seen, f"{cut:.3f}")
    mean, low, high = learned.gain
    correction = learned.recalibration
    table.caption = (
        f"The log loss falls by {mean:.4f} (90 of 100 draws of dyads: {low:.4f} to {high:.4f})."
        f" Correction: log odds times {correction.slope:.2f}, plus {correction.intercept:.2f}."
    )
    return table


def _stop(why: str) -> NoReturn:
    typer.secho(why, err=True, fg="red")
    raise typer.Exit(1)
