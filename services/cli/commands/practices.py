"""`rapport practices`: manages practices, their options and their keys."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from services.cli.commands.practice_status import status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from services.runtime.http.key_file import ApiKey
    from services.runtime.process.cli_plugin import OperatorAct

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
    key = add_practice(practice, option or [], network)
    if key is None:
        typer.echo(f"{practice} is added; the key of network {network} may act for it now.")
        return
    typer.echo(f"{practice} is added. Its key is shown only once:\n\n  {key}\n")
    typer.echo("Send ratings with the header  Authorization: Bearer <key>")
    if network:
        typer.echo(f"A network key also needs  Rapport-Practice: {practice}")


def add_practice(practice: str, options: "Sequence[str]", network: str | None = None) -> str | None:
    """Store a practice with its options, and return its key; None when the network's key acts for it."""
    _refuse_sandboxes([practice])
    return store_with_key(practice, options, network)


def store_with_key(practice: str, options: "Sequence[str]", network: str | None = None) -> str | None:
    """Store a practice or a sandbox, and return its key; None when the network's key acts for it."""
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.key_file import changing_keys

    credentials = find_endpoints().credentials
    _check_ids([practice])
    _store({practice: options})
    with changing_keys(credentials) as keys:
        key, act = _key_for(keys, practice, network)
    _log([act])
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
        issued = [_key_for(keys, practice, network) for practice in ids]
    typer.echo("practice_id,key")
    for practice, (key, _) in zip(ids, issued, strict=True):
        typer.echo(f"{practice},{key or ''}")
    _log([act for _, act in issued])


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


@practices.command(name="list")
def list_() -> None:
    """List the keys with their practices, scopes and expiry; never the keys themselves."""
    from rich.console import Console
    from rich.table import Table

    from services.cli.endpoints import find_endpoints
    from services.runtime.http.key_file import read_keys

    table = Table("key id", "label", "practices", "scopes", "expires", box=None, pad_edge=False)
    for key in read_keys(find_endpoints().credentials):
        expires = key.not_after.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if key.not_after else "never"
        granted = f"{', '.join(key.grants)}{' (network)' if key.network else ''}"
        table.add_row(key.key_id, key.label, granted, ", ".join(sorted(key.scopes)), expires)
    Console().print(table)


@practices.command()
def rotate(
    key_id: Annotated[str, typer.Argument(help="The key id that `rapport practices list` shows.")],
    overlap: Annotated[
        int, typer.Option(min=0, help="Number of hours for which the old key still works.")
    ] = 24,
) -> None:
    """Replace a key by a new one with the same rights; the old key expires after the overlap.

    Example:

      rapport practices rotate 1f2e3d4c --overlap 48
    """
    from services.cli.admin.audit import OperatorAction, acts_on_key
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.key_file import read_keys, rotate_key

    credentials = find_endpoints().credentials
    try:
        new = rotate_key(credentials, key_id, overlap=timedelta(hours=overlap), now=datetime.now(UTC))
    except KeyError:
        typer.secho(f"No key has the id {key_id}; `rapport practices list` shows them.", err=True, fg="red")
        raise typer.Exit(2) from None
    typer.echo(
        f"The new key is shown only once:\n\n  {new.secret}\n\nThe old key expires in {overlap} hours."
    )
    (key,) = (key for key in read_keys(credentials) if key.key_id == new.key_id)
    _log(acts_on_key(key, OperatorAction.KEY_ROTATED, f"after {key_id}, which ends in {overlap} hours"))


@practices.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key id that `rapport practices list` shows.")],
) -> None:
    """Delete a key; running services refuse it within seconds. What was sent with it stays.

    Example:

      rapport practices revoke 1f2e3d4c
    """
    from services.cli.admin.audit import OperatorAction, acts_on_key
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.revocation import revoke_key

    try:
        key = revoke_key(find_endpoints().credentials, key_id)
    except KeyError:
        typer.secho(f"No key has the id {key_id}; `rapport practices list` shows them.", err=True, fg="red")
        raise typer.Exit(2) from None
    typer.echo(f"The key {key_id} is deleted.")
    _log(acts_on_key(key, OperatorAction.KEY_REVOKED))


@practices.command()
def remove(practice: Practice) -> None:
    """Let no key act for a practice any more. Its ratings, episodes and inbox stay.

    Its own keys are deleted; network keys keep their other practices.

    Example:

      rapport practices remove my-practice
    """
    from services.cli.admin.audit import OperatorAction
    from services.cli.endpoints import find_endpoints
    from services.runtime.http.revocation import remove_tenant
    from services.runtime.process.cli_plugin import OperatorAct

    deleted, reduced = remove_tenant(find_endpoints().credentials, practice)
    if not deleted and not reduced:
        typer.secho(f"No key may act for {practice}.", err=True, fg="red")
        raise typer.Exit(2)
    for key_id in deleted:
        typer.echo(f"The key {key_id} is deleted.")
    for key_id in reduced:
        typer.echo(f"The network key {key_id} may not act for {practice} any more.")
    _log(
        [
            *(OperatorAct(practice, OperatorAction.KEY_REVOKED.value, f"key {one}") for one in deleted),
            *(OperatorAct(practice, OperatorAction.GRANT_REMOVED.value, f"key {one}") for one in reduced),
        ]
    )


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


def _log(acts: "Sequence[OperatorAct]") -> None:
    """Log what was done to keys; a key can be taken away while PostgreSQL is away, which is then said."""
    from services.cli.admin.audit import store_acts
    from services.cli.endpoints import find_endpoints

    try:
        asyncio.run(store_acts(find_endpoints().database, acts))
    except BaseException:
        typer.secho("This was done, but it is not in the audit log:", err=True, fg="red")
        raise


def _key_for(keys: "list[ApiKey]", practice: str, network: str | None) -> "tuple[str | None, OperatorAct]":
    """Create a key, or let the network's existing key act for the practice; return the key if it is new."""
    from services.cli.admin.audit import OperatorAction
    from services.cli.admin.practices import SCOPES
    from services.runtime.http.key_file import new_key
    from services.runtime.process.cli_plugin import OperatorAct
    from services.runtime.process.sandbox import is_sandbox

    for index, key in enumerate(keys):
        # A network's key for sandboxes is another one than that for its practices.
        is_alike = is_sandbox(key.grants[0]) == is_sandbox(practice)
        if network is not None and key.network and key.label == network and is_alike:
            grants = (*(one for one in key.grants if one != practice), practice)
            keys[index] = key.model_copy(update={"grants": grants})
            return None, OperatorAct(practice, OperatorAction.GRANT_ADDED.value, f"key {key.key_id}")
    label = network or f"practice {practice}"
    key, issued = new_key([practice], SCOPES, network=network is not None, label=label)
    keys.append(key)
    return issued.secret, OperatorAct(practice, OperatorAction.KEY_ADDED.value, f"key {key.key_id}")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(practices, name="practices")
