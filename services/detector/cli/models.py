"""The commands `rapport models list` and `rapport models activate`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.detector.cli.database import run_with_database
from services.runtime.process.cli_plugin import subcommands

if TYPE_CHECKING:
    from services.runtime.postgres.connect import Connection

_ACTIVATE_HELP = """
Let a model score practices from now on.

Earlier assessments and episodes stay as they are. When a rating arrives
late, the new model assesses its session and all later ones. Every detector
must already have loaded the model (DETECTOR_OTHER_MODEL_DIRS); in a detector
without it the practice's ratings wait, and those of others go on. `--shipped`
returns the practices to the shipped model.

Examples:

  rapport models activate --model candidate --practice north

  rapport models activate --shipped --practice north
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    models = subcommands(app, "models", "Which model scores which practice.")
    models.command(name="list")(list_)
    models.command(name="activate", help=_ACTIVATE_HELP)(activate)


def list_() -> None:
    """List the practices, each with its model and the number of answers to train on."""
    from rich.console import Console

    from services.detector.storage.model_activations import read_mapped
    from services.runtime.process.plain_table import plain_table

    table = plain_table("Practices and their models")
    for title in ("practice", "model", "since", "answers"):
        table.add_column(title, justify="right" if title == "answers" else "left")
    for practice in run_with_database(read_mapped):
        since = practice.since.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if practice.since else ""
        table.add_row(practice.practice, practice.version or "shipped", since, str(practice.answers))
    Console().print(table)


def activate(
    practice: Annotated[list[str], typer.Option(help="A practice; may be repeated.")],
    model: Annotated[Path | None, typer.Option(help="Folder of the model.")] = None,
    *,
    shipped: Annotated[bool, typer.Option("--shipped", help="Return to the shipped model.")] = False,
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
        run_with_database(change)
    except (UnknownPractice, Halt) as error:
        typer.secho(f"{error}\nNothing was changed.", err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo(f"From now on {version or 'the shipped model'} scores {', '.join(practice)}.")


def loaded_versions() -> set[str]:
    """Return the versions of the models that the settings here name.

    Raises:
        Halt: one of them cannot be used.
    """
    from services.detector.model.artefact import SHIPPED
    from services.detector.settings import DetectorSettings

    settings = DetectorSettings()
    return {_version(folder) for folder in (settings.model_dir or SHIPPED, *settings.other_model_dirs)}


def _version(folder: Path) -> str:
    """Load the model, so that no model is activated that a detector would refuse; return its version."""
    from services.detector.model.artefact import load

    return load(folder).version
