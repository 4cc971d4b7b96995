"""The command `rapport compare`: compares own ratings with simulated caseloads."""

from pathlib import Path
from typing import Annotated

import typer


def compare(
    ratings: Annotated[Path, typer.Argument(exists=True, help="A table of your own ratings.")],
    cohorts: Annotated[int, typer.Option(min=20, help="Simulated caseloads to draw.")] = 200,
) -> None:
    """Compare your own ratings with simulated caseloads, figure by figure."""
    from rich.console import Console

    from lab.reports.realism_table import realism_table

    try:
        table = realism_table(ratings, cohorts)
    except ValueError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    Console().print(table)
