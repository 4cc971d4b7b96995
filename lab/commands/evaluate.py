"""The command `rapport evaluate`: measures a model on simulated caseloads or on own ratings."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    *,
    model: Annotated[Path | None, typer.Option(help="A model's folder; by default the shipped one.")] = None,
    clients: Annotated[int, typer.Option(min=20, help="Clients per simulated cohort.")] = 400,
    seeds: Annotated[int, typer.Option(min=1, help="Cohorts per scenario.")] = 3,
    worlds: Annotated[
        int, typer.Option(min=2, help="Held-out worlds of each family to compare models on.")
    ] = 100,
    quick: Annotated[
        bool, typer.Option("--quick", help="One cohort per scenario and 20 worlds, whatever else is asked.")
    ] = False,
    before: Annotated[
        Path | None,
        typer.Option(
            exists=True, help="The folder of the model to compare with; by default a kept earlier one."
        ),
    ] = None,
    ratings: Annotated[
        Path | None,
        typer.Option(exists=True, help="A table of your own ratings: measure flags on them instead."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, help="With --ratings: how they are read, of `try --write-mapping`."),
    ] = None,
    card: Annotated[
        Path | None, typer.Option(help="Where to write the model card; only with --optimal is it complete.")
    ] = None,
    optimal: Annotated[
        bool, typer.Option("--optimal", help="Also run the optimal filter, which takes minutes per cohort.")
    ] = False,
    particles: Annotated[
        int, typer.Option(min=100, help="Particles of the optimal filter; more come closer to the optimum.")
    ] = 4_000,
    optimal_cohorts: Annotated[
        int, typer.Option(min=1, help="Cohorts per scenario that the optimal filter is run on.")
    ] = 3,
    optimal_alike: Annotated[
        bool, typer.Option("--optimal-alike", help="Do not tell the optimal filter how items differ.")
    ] = False,
    optimal_kept: Annotated[
        Path | None,
        typer.Option(help="A folder that caches the optimal filter's risks for the next run."),
    ] = None,
    planted: Annotated[
        bool,
        typer.Option("--planted", help="With --ratings: plant known ruptures into copies of your courses."),
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(exists=True, help="With --ratings: therapists' answers, to measure the precision on."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The HTML page to write; plot (PNG) and comparison (JSON) get the same name.")
    ] = Path("evaluation.html"),
) -> None:
    """Measure the detector beside today's rules and the model before, on simulated or on your own ratings.

    Examples:

      rapport evaluate --clients 200 --seeds 1

      rapport evaluate --optimal --optimal-kept .optimal --card MODEL_CARD.md

      rapport evaluate --quick --model candidate --before services/detector/model/shipped

      rapport evaluate --ratings ratings.csv --labels labels.csv

      rapport evaluate --ratings ratings.csv --planted
    """
    from lab.evaluation.share_of_optimum import OptimalFilterSettings
    from lab.reports.evaluation_report import (
        EvaluationSize,
        report_on_cohorts,
        report_on_planted,
        report_on_practice,
    )
    from services.detector.model.artefact import SHIPPED

    folder = model or SHIPPED
    if ratings is None and (labels is not None or planted):
        option = "--planted" if planted else "--labels"
        raise typer.BadParameter(f"{option} needs the --ratings that it is about")
    if planted and labels is not None:
        raise typer.BadParameter("--planted measures on planted ruptures, so leave out --labels")
    if ratings is not None and planted:
        report_on_planted(folder, ratings, out, before, mapping)
    elif ratings is not None:
        report_on_practice(folder, ratings, labels, out, mapping)
    else:
        settings = (
            OptimalFilterSettings(particles, optimal_cohorts, optimal_alike, optimal_kept)
            if optimal
            else None
        )
        size = EvaluationSize(clients, 1 if quick else seeds, 20 if quick else worlds, settings)
        report_on_cohorts(folder, size, out, card, before)
