"""The command `rapport models reference`: adds to a model the reference for drift and first thresholds."""

from pathlib import Path
from typing import Annotated

import typer


def reference(
    model: Annotated[Path, typer.Option(exists=True, file_okay=False, help="The model's folder.")],
) -> None:
    """Add the reference to a model that has none: what drift and a practice's first threshold rest on.

    `rapport train` adds it to a new model itself. The model is not changed.

    Example:

      rapport models reference --model candidate
    """
    from services.runtime.process.errors import Halt

    try:
        add_reference(model)
    except Halt as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo(f"Reference written into {model}.")


def add_reference(folder: Path) -> None:
    """Write the reference of the model in a folder into that folder.

    Raises:
        Halt: the model cannot be loaded.
    """
    from lab.training.reference import COHORTS, make_reference
    from services.detector.model.artefact import load_without_reference, write_reference
    from services.runtime.process.progress_bar import step_counter

    with step_counter("reference", COHORTS) as progress:
        made = make_reference(load_without_reference(folder), progress)
    write_reference(folder, made)
