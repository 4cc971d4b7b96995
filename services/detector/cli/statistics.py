"""The command `rapport statistics export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.detector.cli.database import run_with_database
from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from services.runtime.postgres.connect import Connection

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

    async def read(conn: "Connection") -> bytes:
        return await statistics_file.export(conn, practice)

    out.write_bytes(run_with_database(read))
    typer.echo(f"Statistics written to {out}.")
