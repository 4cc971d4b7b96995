"""`rapport practices`: practices in, keys and stored options out; a key is shown once and kept as a hash."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

practices = typer.Typer(
    no_args_is_help=True,
    help="Practices that send ratings: add, import, list, change options, rotate keys, status.",
)
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="An option of the practice as name=value; `rapport practices options` lists them."
    ),
]
Network = Annotated[
    str | None,
    typer.Option(help="Label of a network key that is to speak for this practice too; made if it is new."),
]


@practices.command()
def add(practice: str, option: Options = None, network: Network = None) -> None:
    """Add a practice and show its key, once.

    Examples:

      rapport practices add my-practice

      rapport practices add my-practice --set tell_from=always

      rapport practices add north --network my-network     (one key for many practices)
    """
    from services.cli.admin import practices as practice_admin
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    _put(practice, option or [])
    shown = _network_key(endpoints.credentials, network, practice) if network else None
    if shown is None and network:
        typer.echo(f"{practice} is added; the key of network {network} speaks for it now.")
        return
    if shown is None:
        from services.runtime.http.credentials import add_key

        label = f"practice {practice}"
        shown = add_key(
            endpoints.credentials, grants=[practice], scopes=practice_admin.SCOPES, label=label
        ).secret
    typer.echo(f"{practice} is added. Its key, shown this once:\n\n  {shown}\n")
    typer.echo("Send ratings with the header  Authorization: Bearer <key>")
    if network:
        typer.echo(f"A network key also needs  Rapport-Practice: {practice}")


@practices.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, help="CSV: practice_id, and a column per option.")],
    network: Network = None,
) -> None:
    """Add many practices from a CSV file; prints `practice_id,key` lines, the only time the keys are seen.

    Example:

      rapport practices import practices.csv > keys.csv
    """
    import csv

    from services.cli.admin import practices as practice_admin
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.credentials import add_key

    endpoints = find_endpoints()
    with file.open(newline="", encoding="utf-8-sig") as rows:
        listed = [dict(row) for row in csv.DictReader(rows)]
    if not listed or "practice_id" not in listed[0]:
        typer.secho("The file needs a header line with a column practice_id.", err=True, fg="red")
        raise typer.Exit(2)
    typer.echo("practice_id,key")
    for row in listed:
        practice = row.pop("practice_id")
        _put(practice, [f"{name}={value}" for name, value in row.items() if value])
        if network:
            key = _network_key(endpoints.credentials, network, practice) or ""
        else:
            label = f"practice {practice}"
            key = add_key(
                endpoints.credentials, grants=[practice], scopes=practice_admin.SCOPES, label=label
            ).secret
        typer.echo(f"{practice},{key}")


@practices.command(name="set")
def set_(practice: str, option: Options = None) -> None:
    """Change options of a practice that is there already.

    Example:

      rapport practices set my-practice --set tell_from=2026-01-01T00:00:00Z
    """
    _put(practice, option or [])
    typer.echo(f"{practice}: stored.")


@practices.command()
def options() -> None:
    """List the options a practice can have."""
    from services.cli.admin import practices as practice_admin

    for name, text in sorted(practice_admin.option_help().items()):
        typer.echo(f"{name}: {text}")


@practices.command(name="list")
def list_() -> None:
    """List keys: whom they speak for, what they may do, until when. Never the keys themselves."""
    from rich.console import Console
    from rich.table import Table

    from services.cli.endpoints import find_endpoints
    from services.runtime.http.credentials import read_keys

    table = Table("key id", "label", "practices", "scopes", "ends", box=None, pad_edge=False)
    for key in read_keys(find_endpoints().credentials):
        ends = key.not_after.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if key.not_after else "never"
        kind = f"{', '.join(key.grants)}{' (network)' if key.network else ''}"
        table.add_row(key.key_id, key.label, kind, ", ".join(sorted(key.scopes)), ends)
    Console().print(table)


@practices.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The key id that `rapport practices list` shows.")],
    overlap: Annotated[int, typer.Option(help="Hours during which the old key still works.")] = 24,
) -> None:
    """Make a new key with the same rights; the old one ends after the overlap.

    Example:

      rapport practices rotate 1f2e3d4c --overlap 48
    """
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.credentials import rotate_key

    try:
        new = rotate_key(
            find_endpoints().credentials, key_id, overlap=timedelta(hours=overlap), now=datetime.now(UTC)
        )
    except KeyError:
        typer.secho(f"No key has the id {key_id}; `rapport practices list` shows them.", err=True, fg="red")
        raise typer.Exit(2) from None
    typer.echo(f"The new key, shown this once:\n\n  {new.secret}\n\nThe old one ends in {overlap} hours.")


@practices.command()
def status(
    practice: str,
    key: Annotated[str, typer.Option(envvar="RAPPORT_KEY", help="A key with results:read.")],
) -> None:
    """What became of everything a practice sent: the same numbers its own systems can ask for.

    Example:

      RAPPORT_KEY=rpt_… rapport practices status my-practice
    """
    from rich.console import Console

    from services.cli.client.api_client import ApiClient
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    with ApiClient.open(
        endpoints.url("ingest"), endpoints.url("results"), endpoints.url("notifier"), key
    ) as client:
        Console().print_json(
            data={"results": client.results_balance(practice), "messages": client.message_balance(practice)}
        )


def _put(practice: str, given: list[str]) -> None:
    from services.cli.admin import practices as practice_admin
    from services.cli.endpoints import find_endpoints

    try:
        asyncio.run(
            practice_admin.store_practice(
                find_endpoints().database, practice, practice_admin.parse_options(given)
            )
        )
    except ValueError as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(2) from None


def _network_key(file: Path, label: str, practice: str) -> str | None:
    """Let the network's key speak for the practice too; returns the key when it was made just now."""
    from services.cli.admin import practices as practice_admin
    from services.runtime.http.credentials import add_key, read_keys, set_grants

    there = next((key for key in read_keys(file) if key.network and key.label == label), None)
    if there is None:
        return add_key(
            file, grants=[practice], scopes=practice_admin.SCOPES, network=True, label=label
        ).secret
    if practice not in there.grants:
        set_grants(file, there.key_id, [*there.grants, practice])
    return None


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(practices, name="practices")
