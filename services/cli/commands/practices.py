"""`rapport practices`: manages practices, their options and their keys."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from services.cli.commands.practice_keys import list_, log_acts, remove, revoke, rotate
from services.cli.commands.practice_status import status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ShowKey = Callable[[str | None], None]
"""Shows a key that was created, once; None when the network's key acts for what was added."""

practices = typer.Typer(
    no_args_is_help=True,
    help="Practices that send ratings: add or import them, set their options, list, rotate or revoke keys.",
)
Practice = Annotated[str, typer.Argument(help="The practice's id.")]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="An option of the practice as name=value; `rapport practices options` lists them."
    ),
]
Network = Annotated[
    str | None,
    typer.Option(
        help="Label of a network key that may act for this practice too; the key is created if it is missing."
    ),
]


@practices.command()
def add(practice: Practice, option: Options = None, network: Network = None) -> None:
    """Add a practice and show its key, once; only the key's hash is stored.

    Examples:

      rapport practices add my-practice

      rapport practices add my-practice --set tell_from=always

      rapport practices add north --network my-network     (one key for many practices)
    """
    add_practice(practice, option or [], lambda key: say_added(practice, key, network), network)


def say_added(
    practice: str, key: str | None, network: str | None, *, ratings: str = "ratings", keys: str = "key"
) -> None:
    """Show the key of what was added, or say which network's key acts for it now."""
    if key is None:
        typer.echo(f"{practice} is added; the {keys} of network {network} may act for it now.")
        return
    typer.echo(f"{practice} is added. Its key is shown only once:\n\n  {key}\n")
    typer.echo(f"Send {ratings} with the header  Authorization: Bearer <key>")
    if network:
        typer.echo(f"A network key also needs  Rapport-Practice: {practice}")


def add_practice(
    practice: str, options: "Sequence[str]", show: "ShowKey", network: str | None = None
) -> str | None:
    """Store a practice with its options, and return its key; None when the network's key acts for it."""
    _refuse_sandboxes([practice])
    return store_with_key(practice, options, show, network)


def store_with_key(
    practice: str, options: "Sequence[str]", show: "ShowKey", network: str | None = None
) -> str | None:
    """Store a practice or a sandbox, and return its key; None when the network's key acts for it.

    `show` is called with the key before what was done is logged, which may fail: nothing else holds the key.
    """
    from services.cli.admin.practice_keys import key_for
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.key_file import changing_keys

    credentials = find_endpoints().credentials
    _check_ids([practice])
    _store({practice: options})
    with changing_keys(credentials) as keys:
        key, act = key_for(keys, practice, network)
    show(key)
    log_acts([act])
    return key


@practices.command(name="import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV with the column practice_id and one column per option."
        ),
    ],
    network: Network = None,
) -> None:
    """Add many practices from a CSV file. It prints `practice_id,key` lines; the keys are shown only once.

    Example:

      rapport practices import practices.csv > keys.csv
    """
    from schemas.csv_table import TableReader, UnreadableTable
    from services.cli.admin.practice_keys import key_for
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.key_file import changing_keys

    credentials = find_endpoints().credentials
    try:
        table = TableReader(file)
        table.require(["practice_id"])
        rows = [
            {name: cell.strip() for name, cell in zip(table.header, cells, strict=True)} for _, cells in table
        ]
    except UnreadableTable as error:
        typer.secho(f"{error}\nNothing was stored.", err=True, fg="red")
        raise typer.Exit(2) from None
    ids = [row.pop("practice_id") for row in rows]
    _refuse_sandboxes(ids)
    _check_ids(ids)
    _store(
        {
            practice: [f"{name}={value}" for name, value in row.items() if value]
            for practice, row in zip(ids, rows, strict=True)
        }
    )
    with changing_keys(credentials) as keys:
        issued = [key_for(keys, practice, network) for practice in ids]
    typer.echo("practice_id,key")
    for practice, (key, _) in zip(ids, issued, strict=True):
        typer.echo(f"{practice},{key or ''}")
    log_acts([act for _, act in issued])


@practices.command(name="set")
def set_(practice: Practice, option: Options = None) -> None:
    """Change options of a practice; its keys stay the same.

    Example:

      rapport practices set my-practice --set tell_from=2026-01-01T00:00:00Z
    """
    if not option:
        raise typer.BadParameter("nothing to change: give --set NAME=VALUE", param_hint="--set")
    _store({practice: option}, must_exist=True)
    typer.echo(f"{practice}: stored.")


@practices.command()
def options() -> None:
    """List the options of a practice."""
    from services.cli.admin.practices import option_help

    for name, text in sorted(option_help().items()):
        typer.echo(f"{name}: {text}")


practices.command(name="list")(list_)
practices.command()(rotate)
practices.command()(revoke)
practices.command()(remove)
practices.command()(status)


def check_id_given(practice: str) -> None:
    """End the command where an id cannot be that of a practice, and say what is expected."""
    _check_ids([practice])


def _check_ids(ids: "Sequence[str]") -> None:
    from services.cli.admin.practices import check_id

    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        _refuse(ValueError(f"several rows have the practice_id {', '.join(twice)}: keep one of each"))
    try:
        for practice in ids:
            check_id(practice)
    except ValueError as error:
        _refuse(error)


def _store(words: "Mapping[str, Sequence[str]]", *, must_exist: bool = False) -> None:
    """Store the options of practices, which are words such as `sensitivity=low`: of all, or of none."""
    from services.cli.admin.practices import parse_options, store_practices
    from services.cli.endpoints import find_endpoints

    try:
        options = {practice: parse_options(list(given)) for practice, given in words.items()}
        asyncio.run(store_practices(find_endpoints().database, options, must_exist=must_exist))
    except ValueError as error:
        _refuse(error)


def _refuse(error: ValueError) -> NoReturn:
    typer.secho(f"{str(error).rstrip('.')}.\nNothing was stored.", err=True, fg="red")
    raise typer.Exit(2) from None


def _refuse_sandboxes(ids: "Sequence[str]") -> None:
    """Let no practice of real clients be added under the id of a sandbox, which is erased every night."""
    from services.runtime.process.sandbox import SANDBOX_SUFFIX, is_sandbox

    for practice in filter(is_sandbox, ids):
        typer.secho(
            f"{practice} is the id of a sandbox, which is erased every night: choose one that does not end in"
            f" {SANDBOX_SUFFIX}, or add the sandbox with `rapport sandboxes add"
            f" {practice.removesuffix(SANDBOX_SUFFIX)}`. Nothing was stored.",
            err=True,
            fg="red",
        )
        raise typer.Exit(2)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(practices, name="practices")
