"""`rapport erase`: erases a client, a therapist or a practice; `rapport erasures` lists what was erased."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from services.runtime.process.cli_plugin import ErasureScope, user_name


def erase(
    *,
    practice: Annotated[str, typer.Option(help="The practice's id.")],
    client: Annotated[str | None, typer.Option(help="The client to erase, by the id that was sent.")] = None,
    therapist: Annotated[
        str | None,
        typer.Option(help="The therapist to erase, with what is stored about clients with them."),
    ] = None,
    whole: Annotated[bool, typer.Option("--all", help="Erase the whole practice.")] = False,
    requested_by: Annotated[
        str | None, typer.Option("--by", help="Who asked for it, for the record; default: your user name.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Erase nothing; only count.")] = False,
) -> None:
    """Erase a client, a therapist or a whole practice from PostgreSQL, at once and for every later replay.

    Ratings, assessments, episodes, items, answers, and messages that wait are deleted. Only a keyed hash is
    kept, with the time: whatever was accepted before it counts as erased however often it is read, and a
    rating that is accepted later begins a new history. Kafka deletes its copies after their retention.

    Examples:

      rapport erase --practice my-practice --client c-17 --dry-run

      rapport erase --practice my-practice --therapist t-3 --by "data protection office, ticket 4711"

      rapport erase --practice my-practice --all
    """
    scope = _scope(practice, client, therapist, whole=whole)
    from services.cli.admin import erase as erasing
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    secret = endpoints.erasure_secret
    if dry_run:
        counts = asyncio.run(erasing.erase(endpoints.database, secret, scope, requested_by="", keep=False))
        typer.echo("Would be erased, by table:")
        _show(counts)
        _warn_of_nothing(counts)
        return
    if not yes:
        _confirm(scope)
    asked_by = requested_by or user_name()
    counts = asyncio.run(erasing.erase(endpoints.database, secret, scope, requested_by=asked_by))
    typer.echo("Erased, by table:")
    _show(counts)
    _warn_of_nothing(counts)
    typer.echo(
        "Kafka keeps its copies until their retention ends (docs/data.md); backups are yours to expire."
    )


def erasures(
    practice: Annotated[str | None, typer.Option(help="Only this practice's.")] = None,
) -> None:
    """List erasures: when, at whose request, how many rows; who was erased is not known any more.

    Example:

      rapport erasures --practice my-practice
    """
    from services.cli.admin.erase import list_erasures
    from services.cli.endpoints import find_endpoints

    found = asyncio.run(list_erasures(find_endpoints().database, practice))
    for service, one in found:
        rows = sum(one.erased_rows.values())
        typer.echo(
            f"{one.recorded_at:%Y-%m-%d %H:%M:%S} UTC, {service}: {one.kind} of {one.tenant}, {rows} rows,"
            f" by {one.requested_by} (database role {one.database_role})"
        )
    if not found:
        typer.echo("Nobody was erased.")


def _scope(practice: str, client: str | None, therapist: str | None, *, whole: bool) -> ErasureScope:
    if (client is not None) + (therapist is not None) + whole != 1:
        raise typer.BadParameter("name one client, one therapist, or --all")
    if "" in {practice, client, therapist}:
        raise typer.BadParameter("an id is empty: give the one that was sent")
    return ErasureScope(practice, client, therapist)


def _confirm(scope: ErasureScope) -> None:
    *_, name = scope.subject
    typed = typer.prompt(f"This cannot be undone. Type {name} to erase it")
    if typed != name:
        typer.secho("That is another id: nothing was erased.", err=True, fg="red")
        raise typer.Exit(1)


def _show(counts: Mapping[str, int]) -> None:
    for table, count in sorted(counts.items()):
        if count:
            typer.echo(f"  {table}: {count}")
    typer.echo(f"  {sum(counts.values())} rows in all")


def _warn_of_nothing(counts: Mapping[str, int]) -> None:
    if not any(counts.values()):
        typer.secho(
            "Nothing is stored under this id: check it against the one that was sent, or that `rapport"
            " clients rename` gave.",
            err=True,
            fg="yellow",
        )


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(erase)
    app.command()(erasures)
