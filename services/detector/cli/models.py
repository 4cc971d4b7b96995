"""`rapport labels export` and `rapport models`: answers out as labels, and which model scores whom."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from services.runtime.postgres.connect import Connection

Found = TypeVar("Found")

_ACTIVATE_HELP = """
Let a model score practices from now on.

Sessions rated before stay as they were assessed, and so do their episodes; a rating that comes late is
assessed, with all sessions after it, by the new model. Every detector must have loaded the model first
(DETECTOR_OTHER_MODEL_DIRS): one that has not stands still rather than score with another. `--shipped` goes
back to the model that scores everybody who asks for none.

Examples:

  rapport models activate --model candidate --practice north

  rapport models activate --shipped --practice north
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    labels = typer.Typer(no_args_is_help=True, help="Therapists' answers, as labels to learn from.")
    models = subcommands(app, "models", "Which model scores which practice.")

    @labels.callback()
    def answers() -> None:
        """Therapists' answers, as labels to learn from."""

    labels.command(name="export")(export)
    models.command(name="list")(list_)
    models.command(name="activate", help=_ACTIVATE_HELP)(activate)
    app.add_typer(labels, name="labels")


def export(
    practice: Annotated[list[str], typer.Option(help="A practice; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Where to write them (CSV).")],
) -> None:
    """Write what therapists answered, one line per episode: the session they were told of, and the answer.

    The file holds pseudonymous references and answers about single clients: keep it like the ratings
    themselves. Learn from it with: rapport train --ratings ratings.csv --labels labels.csv

    Example:

      rapport labels export --practice north --out labels.csv
    """
    from services.detector.files.label_file import write_labels
    from services.detector.storage.responses import read_answers

    async def read(conn: "Connection") -> list[tuple[object, ...]]:
        return await read_answers(conn, practice)

    rows = asyncio.run(_with_database(read))
    with out.open("w", encoding="utf-8", newline="") as target:
        count = write_labels(target, rows)
    typer.echo(f"{count} answers written to {out}.")


def list_() -> None:
    """List practices: which model scores them, since when, and how many answers there are to learn from."""
    from rich.console import Console

    from services.detector.storage.model_activations import read_mapped
    from services.runtime.process.plain_table import plain_table

    table = plain_table("Practices and their models")
    for title in ("practice", "model", "since", "answers"):
        table.add_column(title, justify="right" if title == "answers" else "left")
    for one in asyncio.run(_with_database(read_mapped)):
        since = one.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if one.since else ""
        table.add_row(one.practice, one.version or "shipped", since, str(one.answers))
    Console().print(table)


def activate(
    practice: Annotated[list[str], typer.Option(help="A practice; may be given several times.")],
    model: Annotated[Path | None, typer.Option(help="The model's folder.")] = None,
    *,
    shipped: Annotated[bool, typer.Option("--shipped", help="Back to the model of everybody else.")] = False,
) -> None:
    """Let a model score practices from now on."""
    from services.detector.storage.model_activations import UnknownPractice
    from services.detector.storage.model_activations import activate as map_to
    from services.runtime.process.errors import Halt

    if (model is None) != shipped:
        raise typer.BadParameter("give either --model FOLDER or --shipped")

    async def change(conn: "Connection") -> None:
        await map_to(conn, practice, version, datetime.now(UTC))

    try:
        version = None if model is None else _version(model)
        asyncio.run(_with_database(change))
    except (UnknownPractice, Halt) as why:
        typer.secho(f"{why}\nNothing was changed.", err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo(f"From now on {version or 'the shipped model'} scores {', '.join(practice)}.")


def _version(folder: Path) -> str:
    """Loaded, so that nothing is activated that a detector would refuse."""
    from services.detector.model.artefact import load

    return load(folder).version


async def _with_database(work: Callable[["Connection"], Awaitable[Found]]) -> Found:
    from services.runtime.postgres.connect import connect
    from services.runtime.process.settings import DatabaseSettings

    conn = await connect(DatabaseSettings(), "rapport-models")
    async with conn:
        return await work(conn)
