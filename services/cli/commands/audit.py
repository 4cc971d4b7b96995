"""`rapport audit`: shows who read, exported, erased or changed what of a practice."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.runtime.process.cli_plugin import AuditEntry


def audit(
    practice: Annotated[str, typer.Option(help="The practice's id.")],
    client: Annotated[str | None, typer.Option(help="Only what concerns this client.")] = None,
    action: Annotated[
        list[str] | None, typer.Option(help="Only this action, such as item-viewed; may be repeated.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only from this day on (UTC).")
    ] = None,
) -> None:
    """Show who read, exported, erased or changed what of a practice, oldest first.

    Therapists' views and answers, what was read with a key, changes of keys, options and the directory,
    exports and erasures. With --client, what concerns this client; after an erasure nobody knows any more
    whom earlier entries were about. Why a therapist was told, or was not, is shown by `rapport why`.

    Examples:

      rapport audit --practice my-practice --client c-17

      rapport audit --practice my-practice --action key-added --action key-revoked --since 2026-01-01
    """
    from services.cli.admin.audit import read_audit
    from services.cli.endpoints import find_endpoints

    begin = since.replace(tzinfo=UTC) if since else datetime.min.replace(tzinfo=UTC)
    found = asyncio.run(read_audit(find_endpoints().database, practice, client))
    shown = [one for one in found if one.at >= begin and (not action or one.action in action)]
    if not shown:
        typer.secho(_nothing(found, practice, client), err=True, fg="red")
        raise typer.Exit(1)
    for one in shown:
        when = one.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        words = (one.actor, one.action, one.about, one.detail)
        typer.echo(f"{when} UTC, {', '.join(word for word in words if word)}")


def _nothing(found: "Sequence[AuditEntry]", practice: str, client: str | None) -> str:
    about = f"client {client} of practice {practice}" if client else f"practice {practice}"
    if not found:
        return f"Nothing was logged about {about}: check the ids."
    actions = ", ".join(sorted({one.action for one in found}))
    newest = max(one.at for one in found).astimezone(UTC).strftime("%Y-%m-%d")
    return (
        f"Nothing was logged about {about} with this action and since this day. Logged were {actions}, last"
        f" on {newest}."
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)
