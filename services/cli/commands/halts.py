"""`rapport halts`: lists the partitions that are not read, and repairs them."""

import asyncio
from typing import Annotated

import typer

halts = typer.Typer(no_args_is_help=True, help="Partitions that are not read until they are repaired.")


@halts.command(name="list")
def list_() -> None:
    """Show which partitions are halted, since when, and why. Exit code 1 when there are any.

    Example:

      rapport halts list
    """
    from services.cli.admin.repair_halts import list_halts
    from services.cli.endpoints import find_endpoints

    found = asyncio.run(list_halts(find_endpoints()))
    for one in found:
        at = one.halt.halted_at.strftime("%Y-%m-%d %H:%M:%S UTC")
        typer.echo(f"{one.service}, since {at}, {one.halt.reason}: {one.halt.detail}")
    if found:
        raise typer.Exit(1)
    typer.echo("No partition is halted.")


@halts.command()
def repair(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Let halted partitions be read again. Remove the cause first; running services go on within seconds.

    A log that lost its end is read on behind the last record that PostgreSQL and the log have in common. What
    was accepted and is not in the log any more is named by id: ratings are stored and assessed already, and
    events between the services are published again.

    Example:

      rapport halts repair
    """
    from services.cli.admin.repair_halts import list_halts, repair_all
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    found = asyncio.run(list_halts(endpoints))
    if not found:
        typer.echo("No partition is halted.")
        return
    if not yes:
        typer.confirm(f"Repair {len(found)} halted partition(s)?", abort=True)
    repairs, again = asyncio.run(repair_all(endpoints))
    for one in repairs:
        where = "" if one.read_from is None else f" from offset {one.read_from}"
        typer.echo(f"{one.where}: is read again{where}; {len(one.lost)} accepted records are not in the log")
        for line in one.lost:
            typer.echo(f"  {line}")
    for event in again:
        typer.echo(f"published again: {event.what}")
    if any(one.read_from is not None for one in repairs):
        typer.echo(
            "Ratings that were accepted just before the log lost its end, and not read yet, are in neither.\n"
            "Ask practices to send that time again (docs/runbooks/ConsumerHalted.md)."
        )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(halts, name="halts")
