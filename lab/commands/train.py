"""The command `rapport train`: trains a new model, or corrects one by therapists' answers."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lab.commands.precision import add_precision
from lab.commands.reference import add_reference


def train(
    *,
    out: Annotated[Path, typer.Option(help="The folder for the model and its manifest.")] = Path("model"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same predictions.")] = 20,
    cohorts: Annotated[int, typer.Option(min=20, help="Simulated caseloads to train on.")] = 2000,
    rows: Annotated[int, typer.Option(min=1000, help="Highest number of sessions to train on.")] = 700_000,
    ratings: Annotated[
        Path | None,
        typer.Option(exists=True, help="A table of your own ratings: learn from answers to them instead."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, help="With --ratings: how they are read, of `try --write-mapping`."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(exists=True, help="The answers, as `rapport labels export` writes them.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The model to correct; by default the shipped one.")
    ] = None,
) -> None:
    """Train a model on simulated caseloads, or correct one by therapists' answers.

    Without ratings and labels: trains a new model, in about five minutes on one core. Set
    DETECTOR_MODEL_DIR to the folder to use it. With both: corrects the model's risk, compares both risks on
    dyads that the correction has not seen, and writes a candidate if its risk is better there. A candidate
    scores nothing until somebody activates it: rapport models activate

    Examples:

      rapport train --out model

      rapport train --ratings ratings.csv --labels labels.csv --out candidate
    """
    if (ratings is None) != (labels is None):
        raise typer.BadParameter("--ratings and --labels must be given together")
    if ratings is not None and labels is not None:
        _correct(ratings, labels, model, out, mapping)
    else:
        _train_new(out, seed, cohorts, rows)


def _train_new(out: Path, seed: int, cohorts: int, rows: int) -> None:
    from lab.network.kept import kept_network
    from lab.training.train import BUDGET, TrainingPlan
    from lab.training.train import train as train_classifier
    from services.detector.model.artefact import save
    from services.runtime.process.progress_bar import progress_bars

    plan = TrainingPlan(seed=seed, cohorts=cohorts, rows=rows, calibration_cohorts=max(10, cohorts // 5))
    with progress_bars() as progress:
        trained = train_classifier(plan, progress, kept_network())
    manifest = save(
        out,
        trained.classifier,
        threshold=trained.threshold,
        flagged_per_100_stable=BUDGET,
        predictions_sha256=trained.predictions_sha256,
        training=trained.training,
        network=trained.network,
    )
    add_reference(out)
    add_precision(out)
    print(f"Model {manifest.version} written to {out}; predictions {manifest.predictions_sha256[:16]}.")


def _correct(ratings: Path, labels: Path, model: Path | None, out: Path, mapping: Path | None) -> None:
    from rich.console import Console

    from lab.practice_histories import read_histories
    from lab.reports.correction_table import correction_table
    from lab.training.candidate import write_candidate
    from lab.training.label_correction import TooFewLabels, learn
    from schemas.instruments.settings import InstrumentSettings
    from services.detector.files.label_file import read_labels
    from services.detector.model.artefact import SHIPPED, load
    from services.runtime.process.errors import Halt

    base = model or SHIPPED
    try:
        histories = read_histories(ratings, InstrumentSettings().catalogue(), mapping)
        detector = load(base)
        correction = learn(detector, histories, read_labels(labels))
    except TooFewLabels as error:
        _stop(f"Nothing can be learned yet: {error}.")
    except (ValueError, Halt) as error:
        _stop(f"{error}\nNothing was written.")
    Console().print(correction_table(correction, detector.threshold))
    if not correction.is_better:
        _stop(
            "On dyads that the correction has not seen, the corrected risk fits the answers no better than"
            " chance allows: nothing was written, and the model in use stays."
        )
    try:
        manifest = write_candidate(base, out, correction)
    except ValueError as error:
        _stop(str(error))
    add_precision(out)
    typer.echo(
        f"Candidate {manifest.version} written to {out}. It scores nothing yet: add the folder to"
        " DETECTOR_OTHER_MODEL_DIRS of every detector, restart them, then\n"
        f"  rapport models activate --model {out} --practice …"
    )


def _stop(message: str) -> NoReturn:
    typer.secho(message, err=True, fg="red")
    raise typer.Exit(1)
