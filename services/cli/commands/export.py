"""`rapport export`: writes what is held on one client, or all ratings of a practice."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from services.runtime.process.out_option import check_out
from services.runtime.process.whole_file import OWNER_ONLY, whole_file

if TYPE_CHECKING:
    from services.runtime.process.settings import DatabaseSettings


def export(
    practice: Annotated[str, typer.Option(help="The practice's id.")],
    client: Annotated[
        str | None, typer.Option(help="All that is held on this client, as one JSON document.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="The file to write, which only you can read; standard output if not given."
        ),
    ] = None,
) -> None:
    """Export one client, or all ratings of a practice. What is written is health data: keep it as such.

    With --client, one JSON document holds every row of every table about this client. Without it, every
    version of every rating is written as it was sent, one a line, in the form that `rapport send --history`
    takes in: another installation with the same instruments, model and thresholds assesses them alike. Not in
    it are the directory, answers, settings, and a practice's own thresholds and statistics.

    That it was exported, and by whom, is logged before (`rapport audit`).

    Examples:

      rapport export --practice my-practice --client c-17 --out c-17.json

      rapport export --practice my-practice --out ratings.ndjson

      rapport send ratings.ndjson --history --key rpt_…     (at the other installation)
    """
    from services.cli.admin.audit import OperatorAction, store_acts
    from services.cli.admin.export_client import export_client
    from services.cli.endpoints import find_endpoints
    from services.runtime.process.cli_plugin import OperatorAct

    check_out(out)
    database = find_endpoints().database
    action = OperatorAction.RATINGS_EXPORTED if client is None else OperatorAction.CLIENT_EXPORTED
    asyncio.run(store_acts(database, [OperatorAct(practice, action.value, client=client)]))
    if client is None:
        with _opened(out) as file:
            lines = asyncio.run(_write_ratings(database, practice, file))
            if not lines:
                typer.secho(f"Nothing is stored of a practice {practice}.", err=True, fg="red")
                raise typer.Exit(1)
        typer.echo(f"{lines} ratings of {practice} written.", err=True)
        return
    tables = asyncio.run(export_client(database, practice, client))
    rows = sum(map(len, tables.values()))
    if not rows:
        typer.secho(f"Nothing is stored about a client {client} of {practice}.", err=True, fg="red")
        raise typer.Exit(1)
    document = {
        "practice_id": practice,
        "client_id": client,
        "exported_at": datetime.now(UTC).isoformat(),
        "tables": tables,
    }
    with _opened(out) as file:
        file.write(json.dumps(document, ensure_ascii=False, indent=2).encode() + b"\n")
    typer.echo(f"{rows} rows about {client} of {practice} written.", err=True)


async def _write_ratings(database: "DatabaseSettings", practice: str, file: IO[bytes]) -> int:
    lines = 0
    async for body in _ratings(database, practice):
        file.write(body + b"\n")
        lines += 1
    return lines


async def _ratings(database: "DatabaseSettings", practice: str) -> AsyncIterator[bytes]:
    from services.cli import plugins
    from services.runtime.postgres.connect import connect_for_all_practices

    async with await connect_for_all_practices(database, "rapport-export") as conn:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for plugin in plugins.installed():
            if plugin.ratings_as_sent is not None:
                async for body in plugin.ratings_as_sent(conn, practice):
                    yield body


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(out, OWNER_ONLY) as file:
        yield file


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(export)
