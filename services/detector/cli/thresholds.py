"""The command `rapport thresholds export`."""

from pathlib import Path
from typing import Annotated

import typer

from services.detector.cli.database import write_export
from services.runtime.process.cli_plugin import subcommands

_EXPORT_HELP = """
Write the practices' own thresholds to a file.

With this file, `rapport score --settings` scores a table as the stream
would.

Example:

  rapport thresholds export --practice north --out north.json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    subcommands(app, "thresholds", "The practices' own thresholds.").command(
        name="export", help=_EXPORT_HELP
    )(export)


def export(
    practice: Annotated[list[str], typer.Option(help="A practice; may be repeated.")],
    out: Annotated[Path, typer.Option(help="The file to write (JSON).")],
) -> None:
    """Write the practices' own thresholds to a file."""
    from services.detector.files import threshold_file

    write_export(threshold_file.export, practice, out)
    typer.echo(f"Thresholds written to {out}.")
