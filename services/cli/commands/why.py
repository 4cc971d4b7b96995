"""`rapport why`: a practice and a session in, all that became of its ratings out, each with its reason."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from services.runtime.process.cli_plugin import TraceLine


def why(
    practice: Annotated[str, typer.Option(help="The practice, as it is called in `rapport practices list`.")],
    session: Annotated[str, typer.Option(help="The session_id that was sent.")],
) -> None:
    """Why was the therapist (not) told? The whole way of one session's ratings, oldest first.

    Example:

      rapport why --practice my-practice --session s-17
    """
    lines = asyncio.run(trace(practice, session))
    if not lines:
        typer.echo(
            f"Nothing is known of session {session} of {practice}. Was it accepted? Ingest's answer to "
            "the rating says so; an answer that never came means: send it again."
        )
        raise typer.Exit(1)
    from rich.console import Console
    from rich.table import Table

    table = Table("when (UTC)", "what", "why", box=None, pad_edge=False)
    for line in lines:
        table.add_row(_when(line.at), line.what, line.why)
    Console().print(table)


async def trace(practice: str, session: str) -> list[TraceLine]:
    """What every service knows of it, merged by time; lines without a time stand last."""
    from services.cli import plugins
    from services.cli.endpoints import find_endpoints
    from services.runtime.postgres.connect import connect

    lines: list[TraceLine] = []
    connection = await connect(find_endpoints().database, "rapport-why")
    async with connection:
        for plugin in plugins.installed():
            if plugin.trace is not None:
                lines += await plugin.trace(connection, practice, session)
    last = datetime.max.replace(tzinfo=UTC)
    return sorted(lines, key=lambda line: line.at or last)


def _when(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if at else ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(why)
