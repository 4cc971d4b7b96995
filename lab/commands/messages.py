"""The command `rapport messages`: writes a page of messages to read, the marks beside them."""

from pathlib import Path
from typing import Annotated

import typer


def messages(
    *,
    out: Annotated[Path, typer.Option(help="The HTML page to write.")] = Path("messages.html"),
    ratings: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A table of your own ratings: take ten from it."),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="With --ratings: how they are read, of `try --write-mapping`."
        ),
    ] = None,
    model: Annotated[Path | None, typer.Option(help="A model's folder; by default the shipped one.")] = None,
    language: Annotated[str, typer.Option(help="Of the messages: en or de.")] = "en",
) -> None:
    """Write 40 openings of episodes with the marks of the last ten sessions beside each message.

    They are of all kinds, simulated, or 30 of them where ratings are given. Read each message against its
    marks: is every sentence true, and would it help?

    Example:

      rapport messages --ratings ratings.csv
    """
    from lab.reports.message_sheet import read_messages, render_sheet, simulated_messages
    from schemas.instruments.settings import InstrumentSettings
    from schemas.rating_tables.description import with_cure
    from schemas.wording.wording import LANGUAGES
    from services.detector.model.artefact import SHIPPED, load
    from services.runtime.process.errors import Halt

    if language not in LANGUAGES:
        raise typer.BadParameter(f"choose one of {', '.join(LANGUAGES)}", param_hint="--language")
    if mapping is not None and ratings is None:
        raise typer.BadParameter("it says how --ratings are read: give them, too", param_hint="--mapping")
    try:
        detector = load(model or SHIPPED)
        own = (
            []
            if ratings is None
            else read_messages(detector, ratings, InstrumentSettings().catalogue(), language, mapping)
        )
    except (Halt, ValueError) as error:
        said = str(error) if ratings is None else with_cure(error, ratings)
        typer.secho(said, err=True, fg="red")
        raise typer.Exit(1) from None
    simulated = simulated_messages(detector, language, beside=len(own))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(render_sheet([*simulated, *own], detector.version), encoding="utf-8")
    typer.echo(f"{len(simulated)} simulated messages and {len(own)} of your ratings: {out}")
