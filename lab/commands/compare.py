"""The command `rapport compare`: compares own ratings with simulated caseloads."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    ratings: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A table of your own ratings.")
    ],
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="How they are read, of `try --write-mapping`."),
    ] = None,
    *,
    cohorts: Annotated[int, typer.Option(min=20, help="Simulated caseloads to draw.")] = 200,
) -> None:
    """Compare your own ratings with simulated caseloads, figure by figure."""
    from rich.console import Console

    from lab.reports.realism_table import realism_table
    from schemas.rating_tables.description import with_cure

    try:
        table = realism_table(ratings, cohorts, mapping)
    except ValueError as error:
        typer.secho(with_cure(error, ratings), err=True, fg="red")
        raise typer.Exit(1) from None
    Console().print(table)
