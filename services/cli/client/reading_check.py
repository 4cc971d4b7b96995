"""Shows how a table in a form of its own was understood, and sends it only where that is agreed to."""

import typer

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.description import described, stored_lines
from schemas.rating_tables.table_errors import UnusableTable
from services.cli.client.rating_files import RatingFile, stored_ratings
from services.runtime.process.progress_bar import on_terminal


def show_reading(found: RatingFile, catalogue: Catalogue) -> None:
    """Print how a table was understood, and which of its ratings are never scored.

    Raises:
        UnusableTable: it cannot be sent so.
    """
    reading = found.reading
    if reading is None:
        for line in stored_lines(stored_ratings(found, catalogue)):
            typer.echo(line, err=True)
        if names := [name for name in found.unread if name]:
            typer.echo(f"not read: {', '.join(names)}", err=True)
        return
    for line in described(reading):
        typer.echo(line, err=True)
    if not found.ratings:
        raise UnusableTable("No row is a valid rating.")
    if reading.columns.get("therapist_id") is None and reading.therapist is None:
        raise UnusableTable(
            "No column holds the therapists. If all sessions are those of one, name that therapist:"
            " --therapist REFERENCE."
        )


def require_agreement(found: RatingFile, *, given: bool) -> None:
    """Ask on a terminal whether a table was understood as it is meant, unless that was said already.

    Raises:
        UnusableTable: it was not, or nobody can say.
    """
    if found.reading is None or given:
        return
    if not on_terminal():
        raise UnusableTable(
            "Check the columns above, then repeat the command with --yes; or write them down once with"
            " `rapport try --write-mapping practice.toml`, and send with --mapping practice.toml."
        )
    question = f"Are the columns right, and shall these {len(found.ratings)} ratings be sent?"
    if not typer.confirm(question, err=True):
        raise UnusableTable("Correct the columns with `rapport try`, and send with the mapping it writes.")


def unread_rows(found: RatingFile) -> int:
    """Return the number of rows that are not sent, because they are no valid ratings."""
    return 0 if found.reading is None else found.reading.ratings.unread
