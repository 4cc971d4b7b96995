"""Runs a renaming for the commands that rename therapists and clients, and says what came of it."""

import asyncio
from collections.abc import Callable, Coroutine

import typer


def check_reference(old: str, new: str) -> None:
    """Check that the new reference is one that ratings may name, and another than the old one.

    Raises:
        typer.BadParameter: it is not; the message says what is expected.
    """
    from pydantic import TypeAdapter, ValidationError

    from schemas.rating import Reference

    try:
        TypeAdapter(Reference).validate_python(new)
    except ValidationError:
        expected = "a pseudonymous reference: no blank, no mail address, at most 128 characters"
        raise typer.BadParameter(f"--to: expected {expected}") from None
    if new == old:
        raise typer.BadParameter("--to: expected another reference than --from")


def run(
    practice: str, old: str, new: str, rename: Callable[[], Coroutine[None, None, dict[str, int]]]
) -> None:
    """Rename, and say which rows were changed, or why nothing was.

    Raises:
        typer.Exit: nothing was renamed.
    """
    from psycopg.errors import DeadlockDetected, LockNotAvailable

    try:
        changed = asyncio.run(rename())
    except (LockNotAvailable, DeadlockDetected):
        typer.secho(
            "Nothing was renamed: the tables are in use, perhaps by a backup. Run the same command again.",
            err=True,
            fg="red",
        )
        raise typer.Exit(1) from None
    except ValueError as refused:
        typer.secho(f"Nothing was renamed: {refused}.", err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo(f"{old} of {practice} is {new} from now on; changed rows:")
    for table, rows in changed.items():
        typer.echo(f"  {table}: {rows}")
