"""`rapport why`: shows what happened to one session's ratings, and why."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.runtime.process.cli_plugin import TraceLine


def why(
    practice: Annotated[str, typer.Option(help="The practice's id.")],
    session: Annotated[str, typer.Option(help="The session_id that was sent.")],
) -> None:
    """Show why a therapist was told about a session or not: each step of its ratings, oldest first.

    Example:

      rapport why --practice my-practice --session s-17
    """
    lines = asyncio.run(trace(practice, session))
    if not lines:
        typer.echo(
            f"Nothing is known about session {session} of {practice}. Ingest's answer says whether the "
            "rating was accepted; if no answer arrived, send it again."
        )
        raise typer.Exit(1)
    from rich.console import Console
    from rich.table import Table

    table = Table("when (UTC)", "what", "why", box=None, pad_edge=False)
    for line in lines:
        table.add_row(_when(line.at), line.what, line.why)
    Console().print(table)


async def trace(practice: str, session: str) -> list[TraceLine]:
    """Return what every service knows about the session, by time; lines without a time come last."""
    from services.cli import plugins
    from services.cli.endpoints import find_endpoints
    from services.runtime.postgres.connect import connect_for_all_practices

    lines: list[TraceLine] = []
    connection = await connect_for_all_practices(find_endpoints().database, "rapport-why")
    async with connection:
        for plugin in plugins.installed():
            if plugin.trace is not None:
                lines += await plugin.trace(connection, practice, session)
    end = datetime.max.replace(tzinfo=UTC)
    return sorted(lines, key=lambda line: line.at or end)


def _when(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if at else ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(why)
