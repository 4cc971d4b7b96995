"""The command `rapport models precision`: measures how often each kind of message is right."""

from pathlib import Path
from typing import Annotated

import typer


def precision(
    model: Annotated[Path, typer.Option(exists=True, file_okay=False, help="The model's folder.")],
) -> None:
    """Measure how often each kind of message is right, and write that into the model's manifest and card.

    Therapists read it with each message. `rapport train` measures it for a new model itself; measure it again
    after a change of what opens an episode. Takes about a minute; the model is not changed.

    Example:

      rapport models precision --model candidate
    """
    from services.runtime.process.errors import Halt

    try:
        add_precision(model)
    except Halt as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo(f"How often messages are right is written into {model}.")


def add_precision(folder: Path) -> None:
    """Measure the model in a folder; write the figures into its manifest, and into its card if it has one.

    Raises:
        Halt: the model cannot be loaded.
    """
    from lab.messages.simulated_messages import PRACTICES, measure_precision
    from lab.reports.precision_section import CARD_FILE, with_precision_section
    from services.detector.model.artefact import load_without_reference
    from services.detector.model.manifest import read_manifest, write_manifest
    from services.runtime.process.progress_bar import step_counter

    with step_counter("message precision", PRACTICES) as progress:
        measured = measure_precision(load_without_reference(folder), progress, PRACTICES)
    manifest = read_manifest(folder).model_copy(update={"message_precision": measured})
    write_manifest(folder, manifest)
    card = folder / CARD_FILE
    if card.exists():
        text = with_precision_section(card.read_text(encoding="utf-8"), manifest)
        card.write_text(text, encoding="utf-8")
