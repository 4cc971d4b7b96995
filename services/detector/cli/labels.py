"""The command `rapport labels export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.detector.cli.database import require_practices, run_with_database
from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from services.runtime.postgres.connect import Connection

_EXPORT_HELP = """
Write therapists' answers to a file, one line per episode.

Each line names the session of the message and the answer. The file contains
pseudonymous references and answers about single clients: protect it like
the ratings themselves. To train a model on it:
rapport train --ratings ratings.csv --labels labels.csv

Example:

  rapport labels export --practice north --out labels.csv
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    subcommands(app, "labels", "Therapists' answers, as labels to train on.").command(
        name="export", help=_EXPORT_HELP
    )(export)


def export(
    practice: Annotated[list[str], typer.Option(help="A practice; may be repeated.")],
    out: Annotated[Path, typer.Option(help="The file to write (CSV).")],
) -> None:
    """Write therapists' answers to a file."""
    from services.runtime.process.sandbox import is_sandbox

    for one in filter(is_sandbox, practice):
        raise typer.BadParameter(f"answers in the sandbox {one} are made up: nothing is learned from them")
    from services.detector.files.label_file import write_labels
    from services.detector.storage.audit_log import record_acts
    from services.detector.storage.responses import read_answers
    from services.runtime.process.cli_plugin import OperatorAct
    from services.runtime.process.out_option import check_out

    check_out(out)

    async def read(conn: "Connection") -> list[tuple[object, ...]]:
        await require_practices(conn, practice)
        await record_acts(conn, [OperatorAct(one, "answers-exported") for one in practice])
        return await read_answers(conn, practice)

    rows = run_with_database(read)
    with out.open("w", encoding="utf-8", newline="") as target:
        count = write_labels(target, rows)
    typer.echo(f"{count} answers written to {out}.")
