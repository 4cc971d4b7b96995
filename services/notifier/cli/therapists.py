"""Defines `rapport therapists`, which imports a table of therapists into the directory."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.runtime.process.cli_plugin import operator, subcommands

if TYPE_CHECKING:
    from services.notifier.domain.therapist import Therapist

_IMPORT_HELP = """
Import a table of therapists (CSV with a header) into a practice's directory.

Columns: therapist_id (required), address, locale, time_zone, channels (separated by blanks),
supervisor, quiet, mail_timing, webhook_url, webhook_secret. An empty cell takes the default. Existing
entries are replaced; therapists who are not in the file are left as they are, or with --replace removed.
Another address, and a removal, end the therapist's sign-in links and sessions. When any line has an error,
nothing is stored and every error is listed.

Examples:

  rapport therapists import therapists.csv --practice north

  rapport therapists import all-therapists.csv --practice north --replace

  DATABASE_URL=postgresql://… rapport therapists import therapists.csv --practice north
"""


def register(app: typer.Typer) -> None:
    """Add the notifier's commands."""
    therapists = subcommands(app, "therapists", "Manage the directory: how therapists are reached.")

    @therapists.callback()
    def directory() -> None:
        """Manage the directory: how therapists are reached."""

    @therapists.command(name="import", help=_IMPORT_HELP)
    def import_(
        file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file in UTF-8.")],
        practice: Annotated[str, typer.Option(help="The practice they work in.")],
        replace: Annotated[
            bool,
            typer.Option("--replace", help="Remove the practice's therapists who are not in the file."),
        ] = False,
    ) -> None:
        raise typer.Exit(_import(file, practice, replace=replace))


def _import(file: Path, practice: str, *, replace: bool) -> int:
    from schemas.csv_table import TableReader, UnreadableTable
    from services.notifier.channels.channel import read_channel_settings
    from services.notifier.directory.csv_import import TherapistTableError, read_therapist_table

    try:
        found = read_therapist_table(practice, TableReader(file), read_channel_settings())
    except UnreadableTable as error:
        typer.secho(f"{error}\nNothing was stored.", err=True, fg="red")
        return 1
    except TherapistTableError as bad:
        for row in bad.rows:
            typer.secho(f"line {row.line}: {row.field} {row.message}; expected {row.expected}", err=True)
        typer.secho(
            f"Nothing was stored. Correct these {len(bad.rows)} errors and import again.", err=True, fg="red"
        )
        return 1
    if replace and not found:
        typer.secho(
            "The file names nobody, so --replace would remove every therapist: nothing was changed.",
            err=True,
            fg="red",
        )
        return 1
    return asyncio.run(_store(practice, found, replace=replace))


async def _store(practice: str, therapists: "Sequence[Therapist]", *, replace: bool) -> int:
    from pydantic import ValidationError

    from services.notifier.directory.store import find_practices
    from services.notifier.directory_changes import put_therapist, remove_others
    from services.runtime.postgres.connect import connect_for_all_practices
    from services.runtime.postgres.former_names import Party, current_name
    from services.runtime.process.settings import DatabaseSettings

    try:
        settings = DatabaseSettings()
    except ValidationError:
        typer.secho("No database is set: set DATABASE_URL.", err=True, fg="red")
        return 2
    new, removed, now = 0, 0, datetime.now(UTC)
    async with await connect_for_all_practices(settings, "rapport-therapists") as conn:
        if practice not in await find_practices(conn, [practice]):
            typer.secho(
                f"There is no practice {practice}: add it with `rapport practices add {practice}`.",
                err=True,
                fg="red",
            )
            return 1
        kept = [
            await current_name(conn, "notifier", Party.THERAPIST, practice, one.therapist_id)
            for one in therapists
        ]
        if twice := sorted({one for one in kept if kept.count(one) > 1}):
            typer.secho(
                f"{', '.join(twice)}: renamed, and in the file under two references. Nothing was stored.",
                err=True,
                fg="red",
            )
            return 1
        for therapist in therapists:
            new += await put_therapist(conn, therapist, now, actor=operator())
        if replace:
            removed = await remove_others(conn, practice, kept, now, actor=operator())
    typer.echo(f"Stored {len(therapists)} therapists in the directory of {practice}; {new} of them are new.")
    if replace:
        typer.echo(f"Removed {removed} therapists who are not in the file.")
    return 0
