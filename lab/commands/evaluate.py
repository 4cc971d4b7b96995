"""The command `rapport evaluate`: measures a model on simulated caseloads or on own ratings."""

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    *,
    model: Annotated[Path | None, typer.Option(help="A model's folder; by default the shipped one.")] = None,
    clients: Annotated[int, typer.Option(min=20, help="Clients per simulated cohort.")] = 400,
    seeds: Annotated[int, typer.Option(min=1, help="Cohorts per scenario.")] = 3,
    ratings: Annotated[
        Path | None, typer.Option(help="A table of your own ratings (CSV): measure flags on them instead.")
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
    labels: Annotated[
        Path | None,
        typer.Option(exists=True, help="With --ratings: therapists' answers, to measure the precision on."),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="The HTML page to write; the plot (PNG) gets the same name.")
    ] = Path("evaluation.html"),
) -> None:
    """Measure the detector beside today's rules, on simulated caseloads or on your own ratings.

    Examples:

      rapport evaluate --clients 200 --seeds 1

      rapport evaluate --optimal --optimal-kept .optimal --card MODEL_CARD.md

      rapport evaluate --ratings ratings.csv --labels labels.csv
    """
    from lab.evaluation.share_of_optimum import OptimalFilterSettings
    from lab.reports.evaluation_report import EvaluationSize, report_on_cohorts, report_on_practice
    from services.detector.model.artefact import SHIPPED

    folder = model or SHIPPED
    if labels is not None and ratings is None:
        raise typer.BadParameter("--labels needs the --ratings that the answers are about")
    if ratings is not None:
        report_on_practice(folder, ratings, labels, out)
    else:
        settings = (
            OptimalFilterSettings(particles, optimal_cohorts, optimal_alike, optimal_kept)
            if optimal
            else None
        )
        report_on_cohorts(folder, EvaluationSize(clients, seeds, settings), out, card)
