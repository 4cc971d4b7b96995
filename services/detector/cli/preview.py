"""`rapport try`: a practice's own table in, one page out that can be forwarded."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.detector.preview.page import Contents

_HELP = """
See on your own ratings what Rapport would have told therapists, beside what today's rule would have said.

Nothing is sent and nothing is stored but the page: no services, no broker, no database. Columns, dates and
the questionnaire are guessed, and the guess is shown; --map and --instrument overrule it.

Example:

  rapport try ratings.csv --map client_id=PatientNo --out page.html
"""
_MOST_BAD = 12


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="try", help=_HELP)(try_)


def try_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A table with a line of names.")],
    *,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="FIELD=COLUMN, such as client_id=PatientNo or item_1=Q1; several times."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page; beside the file when left out.")] = None,
    instrument: Annotated[str | None, typer.Option(help="The questionnaire, such as srs or wai-sr.")] = None,
    month_first: Annotated[
        bool, typer.Option("--month-first", help="Where 3/4 could be both: March 4, not 3 April.")
    ] = False,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a model; the shipped one when left out.")
    ] = None,
) -> None:
    """Write the page."""
    from schemas.instruments.catalogue import Catalogue
    from services.detector.model.artefact import SHIPPED, load
    from services.detector.preview.page import render
    from services.detector.preview.pipeline import try_file
    from services.detector.preview.table import Unreadable
    from services.runtime.process.errors import Halt
    from services.runtime.process.progress_bar import progress_bars

    target = out or file.with_suffix(".html")
    try:
        with progress_bars() as bar:
            contents = try_file(
                file,
                load(model or SHIPPED),
                Catalogue.load(),
                told=_told(map_ or []),
                instrument=instrument,
                month_first=month_first,
                progress=partial(bar, "clients"),
            )
    except (Unreadable, Halt) as bad:
        typer.secho(f"{bad}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    target.write_text(render(contents), encoding="utf-8")
    _say(contents)
    typer.echo(f"The page: {target}")


def _told(pairs: list[str]) -> dict[str, str]:
    told = {}
    for pair in pairs:
        role, equals, column = pair.partition("=")
        if not equals or not column:
            raise typer.BadParameter("write --map FIELD=COLUMN, such as --map client_id=PatientNo")
        told[role.strip()] = column.strip()
    return told


def _say(contents: "Contents") -> None:
    """The guess, what could not be read, and the sum."""
    from services.detector.preview.page import SURENESS

    for one in contents.columns.found:
        typer.echo(f"{one.role:16} {one.column} ({SURENESS[one.sure]})")
    items = contents.columns.items
    if items:
        names = f"{items[0]} … {items[-1]}, {len(items)} columns" if len(items) > 1 else items[0]
        typer.echo(f"{'marks':16} {names} ({SURENESS[contents.columns.items_sure]})")
    asked = contents.asked
    name = "as the rows say" if asked.default is None else f"{asked.default.id}: {asked.default.title}"
    typer.echo(f"{'questionnaire':16} {name} ({SURENESS[asked.sure]}; {asked.seen})")
    dates = contents.rows.dates
    zone = "; no time zone: read as UTC" if contents.rows.zone_assumed else ""
    unsure = "; could be month first: --month-first" if dates.ambiguous else ""
    typer.echo(f"{'dates':16} {dates.written}{zone}{unsure}")
    for bad in contents.bad[:_MOST_BAD]:
        typer.secho(
            f"row {bad.row}, {bad.column}: {bad.message}; expected {bad.expected}", err=True, fg="yellow"
        )
    if len(contents.bad) > _MOST_BAD:
        typer.secho(f"and {len(contents.bad) - _MOST_BAD} more: see the page", err=True, fg="yellow")
    said = contents.figures.all
    typer.echo(
        f"{said.rated} rated sessions of {said.clients} clients: Rapport would have sent {said.messages} "
        f"messages about {contents.figures.episodes} episodes; today's rule flags {said.flags} sessions."
    )
