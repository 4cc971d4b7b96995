"""The commands of `rapport practices` about keys: list, rotate, revoke and remove."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.runtime.process.cli_plugin import OperatorAct

KeyId = Annotated[str, typer.Argument(help="The key id that `rapport practices list` shows.")]


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


def rotate(
    key_id: KeyId,
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
    log_acts(acts_on_key(key, OperatorAction.KEY_ROTATED, f"after {key_id}, which ends in {overlap} hours"))


def revoke(
    key_id: KeyId,
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
    log_acts(acts_on_key(key, OperatorAction.KEY_REVOKED))


def remove(practice: Annotated[str, typer.Argument(help="The practice's id.")]) -> None:
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
    log_acts(
        [
            *(OperatorAct(practice, OperatorAction.KEY_REVOKED.value, f"key {one}") for one in deleted),
            *(OperatorAct(practice, OperatorAction.GRANT_REMOVED.value, f"key {one}") for one in reduced),
        ]
    )


def log_acts(acts: "Sequence[OperatorAct]") -> None:
    """Log what was done to keys; a key can be taken away while PostgreSQL is away, which is then said."""
    from services.cli.admin.audit import store_acts
    from services.cli.endpoints import find_endpoints

    try:
        asyncio.run(store_acts(find_endpoints().database, acts))
    except BaseException:
        typer.secho("This was done, but it is not in the audit log:", err=True, fg="red")
        raise
