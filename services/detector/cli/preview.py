"""The command `rapport try`: writes a page that shows a practice its own ratings as Rapport sees them."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.detector.preview.page import PreviewContents

_HELP = """
Show, on your own ratings, what Rapport would have told therapists.

The page also shows which sessions the rule of today's products flags.
Nothing is sent, and only the page is written: no services, no broker, no
database. Columns, dates and the questionnaire are guessed and the guesses
are shown; correct them with --map and --instrument.

Example:

  rapport try ratings.csv --map client_id=PatientNo --out page.html
"""
_MAX_INVALID = 12
"""Invalid cells that are printed; the page shows more."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="try", help=_HELP)(try_)


def try_(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A table whose first line names the columns.")
    ],
    *,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="FIELD=COLUMN, such as client_id=PatientNo or item_1=Q1; may be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the page; default: beside the table.")
    ] = None,
    instrument: Annotated[str | None, typer.Option(help="The questionnaire, such as srs or wai-sr.")] = None,
    month_first: Annotated[
        bool, typer.Option("--month-first", help="Read 3/4 as March 4, not as 3 April, where both fit.")
    ] = False,
    since: Annotated[
        datetime | None,
        typer.Option(
            help="Count only sessions after this time (UTC); earlier ones are the clients' history."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model; default: the shipped model.")
    ] = None,
) -> None:
    """Write the page and print how the table was read."""
    from schemas.instruments.catalogue import InvalidDefinition
    from schemas.instruments.settings import InstrumentSettings
    from services.detector.model.artefact import SHIPPED, load
    from services.detector.preview.page import render
    from services.detector.preview.pipeline import try_file
    from services.detector.preview.table import UnusableTable
    from services.runtime.process.errors import Halt
    from services.runtime.process.progress_bar import progress_bars

    target = out or file.with_suffix(".html")
    try:
        with progress_bars() as bar:
            contents = try_file(
                file,
                load(model or SHIPPED),
                InstrumentSettings().catalogue(),
                given=_mapping(map_ or []),
                instrument=instrument,
                month_first=month_first,
                since=since and since.replace(tzinfo=UTC),
                progress=partial(bar, "courses"),
            )
    except (UnusableTable, InvalidDefinition, Halt) as error:
        typer.secho(f"{error}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    target.write_text(render(contents), encoding="utf-8")
    _print_reading(contents)
    _print_doubts(contents)
    _print_invalid(contents)
    total = contents.figures.total
    typer.echo(
        f"{total.rated} rated sessions of {total.clients} clients: Rapport would have sent {total.messages} "
        f"messages in {contents.figures.episodes} episodes; today's rule flags {total.flags} sessions."
    )
    typer.echo(f"The page: {target}")


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        role, equals, column = pair.partition("=")
        if not equals or not column:
            raise typer.BadParameter("write --map FIELD=COLUMN, such as --map client_id=PatientNo")
        mapping[role.strip()] = column.strip()
    return mapping


def _print_reading(contents: "PreviewContents") -> None:
    from services.detector.preview.page import CERTAINTY_WORDS

    columns = contents.columns
    for match in columns.matches:
        others = f"; it could also be {', '.join(match.others)}" if match.others else ""
        typer.echo(f"{match.role:16} {match.column} ({CERTAINTY_WORDS[match.certainty]}{others})")
    items = columns.items
    if items:
        names = f"{items[0]} … {items[-1]}, {len(items)} columns" if len(items) > 1 else items[0]
        typer.echo(f"{'marks':16} {names} ({CERTAINTY_WORDS[columns.items_certainty]})")
    questionnaire = contents.questionnaire
    default = questionnaire.default
    name = "as named in each row" if default is None else f"{default.id}: {default.title}"
    certainty = CERTAINTY_WORDS[questionnaire.certainty]
    typer.echo(f"{'questionnaire':16} {name} ({certainty}; {questionnaire.evidence})")
    dates = contents.ratings.dates
    zone = "; no time zone, read as UTC" if contents.ratings.zone_assumed else ""
    ambiguous = "; if the month comes first, use --month-first" if dates.ambiguous else ""
    typer.echo(f"{'dates':16} {dates.written}{zone}{ambiguous}")


def _print_doubts(contents: "PreviewContents") -> None:
    for doubt in contents.columns.doubts:
        typer.secho(f"not taken for {doubt.role}: {doubt.column}, because {doubt.why}", err=True, fg="yellow")
    for named, rows in contents.ratings.other_forms.items():
        typer.secho(f"left out: {rows} rows of {named}, another questionnaire", err=True, fg="yellow")
    for warning in contents.warnings:
        typer.secho(f"please check: {warning}", err=True, fg="yellow")
    ineffective = contents.ratings.ineffective
    for warning in ineffective[:_MAX_INVALID]:
        typer.secho(warning, err=True, fg="yellow")
    if (more := len(ineffective) - _MAX_INVALID) > 0:
        typer.secho(f"… and {more} more such lines", err=True, fg="yellow")


def _print_invalid(contents: "PreviewContents") -> None:
    for cell in contents.invalid[:_MAX_INVALID]:
        typer.secho(
            f"row {cell.row}, {cell.column}: {cell.message}; expected {cell.expected}", err=True, fg="yellow"
        )
    more = len(contents.invalid) - _MAX_INVALID
    if more > 0:
        typer.secho(f"and {more} more: see the page", err=True, fg="yellow")
