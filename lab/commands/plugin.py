"""The model's commands: simulate, train, evaluate."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services.runtime.process.cli_plugin import Plugin, subcommands


def _end(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    end = datetime.fromisoformat(text)
    if end.tzinfo is None:
        raise typer.BadParameter("give the end with its time zone, such as 2026-11-20T18:00+00:00")
    return end.astimezone(UTC)


def simulate(
    *,
    ratings: Annotated[Path, typer.Option(help="Where to write the ratings, one JSON object a line.")],
    truth: Annotated[Path | None, typer.Option(help="Where to write which ruptures were planted.")] = None,
    practices: Annotated[int, typer.Option(min=1, help="Practices in the network.")] = 3,
    therapists: Annotated[int, typer.Option(min=1, help="Therapists, over all practices.")] = 25,
    clients: Annotated[int, typer.Option(min=1, help="Clients, over all practices.")] = 200,
    sessions: Annotated[int, typer.Option(min=1, max=200, help="Weekly sessions per client.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed and end give the same files.")] = 1,
    end: Annotated[str | None, typer.Option(help="Moment of the last sending; now when left out.")] = None,
) -> None:
    """Write the ratings of a simulated practice network, and the truth about it.

    The ratings stand in sending order, with late, doubled, corrected, declined, withdrawn and a few invalid
    ones among them. Send them with: rapport send FILE
    """
    from lab.commands.simulate import write
    from lab.simulator.practice_network import Sizes

    sizes = Sizes(practices, therapists, clients, sessions)
    courses, sendings = write(sizes, seed, _end(end), ratings, truth)
    refused = sum(not sending.accepted for sending in sendings)
    planted = sum(len(course.ruptures) for course in courses)
    print(
        f"{len(sendings)} ratings of {len(courses)} clients written to {ratings}: "
        f"{len(sendings) - refused} to be accepted, {refused} to be refused; {planted} ruptures planted."
    )


def train(
    *,
    out: Annotated[Path, typer.Option(help="The folder for the model and its manifest.")] = Path("model"),
    seed: Annotated[int, typer.Option(help="The same seed gives the same predictions.")] = 20,
    cohorts: Annotated[int, typer.Option(min=20, help="Simulated caseloads to train on.")] = 1600,
    rows: Annotated[int, typer.Option(min=1000, help="At most so many sessions of them.")] = 700_000,
    ratings: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="A table of your own ratings (CSV): learn from answers to them instead."
        ),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(exists=True, help="The answers, as `rapport labels export` writes them.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The model to learn on; the shipped one when left out.")
    ] = None,
) -> None:
    """Train a model on simulated caseloads, or correct one by therapists' answers.

    Without ratings and labels: a new model, in about three minutes on one core; point DETECTOR_MODEL_DIR at
    the folder to use it. With both: the model's risk is corrected, old and new are compared on dyads that
    the new one has not seen, and a candidate is written if it is better there. It scores nothing until
    somebody activates it: rapport models activate

    Examples:

      rapport train --out model

      rapport train --ratings ratings.csv --labels labels.csv --out candidate
    """
    if (ratings is None) != (labels is None):
        raise typer.BadParameter("--ratings and --labels go together")
    if ratings is not None and labels is not None:
        from lab.commands.correct import learn_from_answers

        learn_from_answers(ratings, labels, model, out)
    else:
        _train_anew(out, seed, cohorts, rows)


def _train_anew(out: Path, seed: int, cohorts: int, rows: int) -> None:
    from lab.training.train import BUDGET, Plan
    from lab.training.train import train as train_model
    from services.detector.model.artefact import save
    from services.runtime.process.progress_bar import progress_bars

    plan = Plan(seed=seed, cohorts=cohorts, rows=rows, calibration_cohorts=max(10, cohorts * 3 // 16))
    with progress_bars() as progress:
        trained = train_model(plan, progress)
    manifest = save(
        out,
        trained.classifier,
        threshold=trained.threshold,
        flagged_per_100_stable=BUDGET,
        predictions_sha256=trained.predictions_sha256,
        training=trained.training,
    )
    add_reference(out)
    print(f"Model {manifest.version} written to {out}; predictions {manifest.predictions_sha256[:16]}.")


def add_reference(folder: Path) -> None:
    """Put what the model in a folder was made on beside it."""
    from lab.training.reference import COHORTS, make_reference
    from services.detector.model.artefact import load_without_reference, write_reference
    from services.runtime.process.progress_bar import step_counter

    with step_counter("reference", COHORTS) as told:
        reference = make_reference(load_without_reference(folder), told)
    write_reference(folder, reference)


def evaluate(
    *,
    model: Annotated[
        Path | None, typer.Option(help="A model's folder; the shipped one when left out.")
    ] = None,
    clients: Annotated[int, typer.Option(min=20, help="Clients per simulated cohort.")] = 400,
    seeds: Annotated[int, typer.Option(min=1, help="Cohorts per kind.")] = 3,
    ratings: Annotated[
        Path | None, typer.Option(help="A table of your own ratings (CSV): measures flags on them instead.")
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Where to write the model card; with --optimal, so that it is whole.")
    ] = None,
    optimal: Annotated[
        bool, typer.Option("--optimal", help="Also run the optimal filter: minutes a cohort.")
    ] = False,
    particles: Annotated[
        int, typer.Option(min=100, help="Particles of the optimal filter; more are nearer to the optimum.")
    ] = 4_000,
    optimal_cohorts: Annotated[
        int, typer.Option(min=1, help="Cohorts per kind that the optimal filter is run on.")
    ] = 3,
    optimal_alike: Annotated[
        bool, typer.Option("--optimal-alike", help="Keep from the optimal filter how items differ.")
    ] = False,
    optimal_kept: Annotated[
        Path | None,
        typer.Option(help="A folder that keeps the optimal filter's risks for the next model."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(exists=True, help="With --ratings: answers, for the precision.")
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The page (HTML) to write; the picture (PNG) lies beside it.")
    ] = Path("evaluation.html"),
) -> None:
    """Measure the detector beside today's rules, on simulated caseloads or on your own ratings.

    Examples:

      rapport evaluate --clients 200 --seeds 1

      rapport evaluate --optimal --optimal-kept .optimal --card MODEL_CARD.md

      rapport evaluate --ratings ratings.csv --labels labels.csv
    """
    from lab.commands.evaluate import Wanted, on_cohorts, on_own
    from lab.evaluation.share_of_optimum import Optimal
    from services.detector.model.artefact import SHIPPED

    folder = model or SHIPPED
    if labels is not None and ratings is None:
        raise typer.BadParameter("--labels needs the --ratings that the answers are about")
    if ratings is not None:
        on_own(folder, ratings, labels, out)
    else:
        asked = Optimal(particles, optimal_cohorts, optimal_alike, optimal_kept) if optimal else None
        on_cohorts(folder, Wanted(clients, seeds, asked), out, card)


def compare(
    ratings: Annotated[Path, typer.Argument(help="A table of your own ratings (CSV).")],
    cohorts: Annotated[int, typer.Option(min=20, help="Simulated caseloads to draw.")] = 200,
) -> None:
    """Compare your own ratings with simulated caseloads, figure by figure."""
    from rich.console import Console

    from lab.commands.compare import realism_table

    Console().print(realism_table(ratings, cohorts))


def reference(
    model: Annotated[Path, typer.Option(exists=True, file_okay=False, help="The model's folder.")],
) -> None:
    """Put beside a model what it was made on: for drift figures, and for thresholds to start with.

    `rapport train` does it itself; this is for a model that has none. The model is not changed.

    Example:

      rapport models reference --model candidate
    """
    from services.runtime.process.errors import Halt

    try:
        add_reference(model)
    except Halt as why:
        typer.secho(str(why), err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo(f"Written beside the model in {model}.")


def register(app: typer.Typer) -> None:
    """Add the model's commands to the command line."""
    app.command("simulate")(simulate)
    app.command("train")(train)
    app.command("evaluate")(evaluate)
    app.command("compare")(compare)
    subcommands(app, "models", "Which model scores which practice.").command("reference")(reference)


plugin = Plugin(name="lab", register=register)
