"""The command `rapport statistics export`."""

from pathlib import Path
from typing import Annotated

import typer

from services.detector.cli.database import write_export
from services.runtime.process.cli_plugin import subcommands

_EXPORT_HELP = """
Write the statistics of practices' own ratings to a file.

They are means, spreads and shares over all clients, and name no client.
With this file, `rapport score --statistics` scores a table as the stream
would, where the model reads them.

Example:

  rapport statistics export --practice north --out north-statistics.json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    subcommands(app, "statistics", "Statistics of the practices' own ratings.").command(
        name="export", help=_EXPORT_HELP
    )(export)


def export(
    practice: Annotated[list[str], typer.Option(help="A practice; may be repeated.")],
    out: Annotated[Path, typer.Option(help="The file to write (JSON).")],
) -> None:
    """Write the statistics of practices' own ratings to a file."""
    from services.detector.files import statistics_file

    write_export(statistics_file.export, practice, out)
    typer.echo(f"Statistics written to {out}.")
