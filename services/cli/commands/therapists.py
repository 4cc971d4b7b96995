"""`rapport therapists rename`: gives a therapist another reference, with everything that is stored."""

import asyncio
from typing import Annotated

import typer

from services.runtime.process.cli_plugin import subcommands


def rename(
    practice: Annotated[str, typer.Option(help="The practice they work in.")],
    old: Annotated[str, typer.Option("--from", help="The reference that the practice used until now.")],
    new: Annotated[str, typer.Option("--to", help="The reference that it uses from now on.")],
) -> None:
    """Give a therapist another reference. Nothing is lost, and nothing is told a second time.

    Directory entry, own settings, clients' histories, items, links, sessions and mail that waits go along.
    What still names the old reference (ratings, answers, calls to the directory) is read as the new one from
    then on, so it does not matter when the practice's system begins to use it. Rename before anything is sent
    under the new reference: two therapists cannot become one, and an old reference is never given to somebody
    else. The audit log keeps the reference of its time.

    Example:

      rapport therapists rename --practice my-practice --from t-7 --to m-schmidt-2
    """
    from psycopg.errors import DeadlockDetected, LockNotAvailable
    from pydantic import TypeAdapter, ValidationError

    from schemas.rating import Reference
    from services.cli.admin.rename_therapist import rename_therapist
    from services.cli.endpoints import find_endpoints

    try:
        TypeAdapter(Reference).validate_python(new)
    except ValidationError:
        expected = "a pseudonymous reference: no blank, no mail address, at most 128 characters"
        raise typer.BadParameter(f"--to: expected {expected}") from None
    if new == old:
        raise typer.BadParameter("--to: expected another reference than --from")
    endpoints = find_endpoints()
    try:
        changed = asyncio.run(rename_therapist(endpoints.database, practice, old, new))
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


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = subcommands(app, "therapists", "Manage the directory: how therapists are reached.")
    group.command()(rename)
