"""The command `rapport try`: writes a page that shows a practice its own ratings as Rapport sees them."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

_HELP = """
Show, on your own ratings, what Rapport would have told therapists.

The page also shows which sessions the rule of today's products flags.
Nothing is sent, and only what is asked for is written: no services, no broker, no
database. Columns, dates and the questionnaire are guessed and the guesses
are shown; correct them with --map and --instrument. --write-mapping keeps
how the table was read, so that nothing is guessed the next time.

Examples:

  rapport try ratings.csv --map client_id=PatientNo --out page.html

  rapport try export.csv --write-mapping practice.toml
"""
_MOST_INEFFECTIVE = 12
"""Rows without effect that are printed."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="try", help=_HELP)(try_)


def try_(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            help="A table, a workbook, JSON with an object for each form, or FHIR.",
        ),
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
    sheet: Annotated[
        str | None, typer.Option(help="The sheet of a workbook (xlsx, ods) that holds the ratings.")
    ] = None,
    therapist: Annotated[
        str | None, typer.Option(help="The therapist of all rows, where no column holds one.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="How the table is read: of --write-mapping."),
    ] = None,
    write_mapping: Annotated[
        Path | None,
        typer.Option(
            help="Write down how the table was read, for `send`, `score` and the practice's next exports."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Count only sessions after this time (UTC); earlier ones are the clients' history."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model; default: the shipped model.")
    ] = None,
) -> None:
    """Write the page and print how the table was read."""
    from schemas.instruments.definition import InvalidDefinition
    from schemas.instruments.settings import InstrumentSettings
    from schemas.rating_tables.description import doubts, invalid_lines, understood
    from schemas.rating_tables.reading_options import GUESS_ALL, ReadingOptions, read_mapping
    from schemas.rating_tables.reading_options import write_mapping as write_mapping_file
    from schemas.rating_tables.table_errors import UnusableTable
    from services.detector.model.artefact import SHIPPED, load
    from services.detector.preview.counts import counted
    from services.detector.preview.page import render
    from services.detector.preview.pipeline import try_file
    from services.runtime.process.errors import Halt
    from services.runtime.process.moment_option import since_in_utc
    from services.runtime.process.out_option import check_out
    from services.runtime.process.progress_bar import progress_bars

    begin = since_in_utc(since)
    options = ReadingOptions(_fields(map_ or []), instrument, month_first, therapist, sheet=sheet)
    if mapping is not None and options != GUESS_ALL:
        raise typer.BadParameter("--mapping says how the table is read: leave out the other options for it")
    target = out or file.with_suffix(".html")
    check_out(target, source=file)
    check_out(write_mapping, "--write-mapping", source=file)
    try:
        with progress_bars() as bar:
            contents = try_file(
                file,
                load(model or SHIPPED),
                InstrumentSettings().catalogue(),
                options if mapping is None else read_mapping(mapping),
                since=begin,
                progress=partial(bar, "courses"),
            )
    except (UnusableTable, InvalidDefinition, Halt) as error:
        typer.secho(f"{error}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    target.write_text(render(contents), encoding="utf-8")
    for line in understood(contents.reading):
        typer.echo(line)
    warnings = [f"please check: {warning}" for warning in contents.warnings]
    invalid = invalid_lines(contents.invalid, elsewhere=": see the page")
    ineffective = contents.reading.ratings.ineffective
    more = len(ineffective) - _MOST_INEFFECTIVE
    unheeded = [*ineffective[:_MOST_INEFFECTIVE], *([f"… and {more} more such lines"] if more > 0 else [])]
    for line in [*doubts(contents.reading), *warnings, *unheeded, *invalid]:
        typer.secho(line, err=True, fg="yellow")
    figures = contents.figures
    typer.echo(f"{figures.in_words}; today's rule flags {counted(figures.total.flags, 'session')}.")
    typer.echo(f"The page: {target}")
    if write_mapping is not None:
        write_mapping_file(contents.reading.mapping(), write_mapping)
        typer.echo(f"How the table was read: {write_mapping}; use it with `rapport send --mapping`.")


def _fields(pairs: list[str]) -> dict[str, str]:
    mapping = {}
    for pair in pairs:
        role, equals, column = pair.partition("=")
        if not equals or not column:
            raise typer.BadParameter("write --map FIELD=COLUMN, such as --map client_id=PatientNo")
        if role.strip() in mapping:
            raise typer.BadParameter(f"--map {role.strip()}=… is given twice: keep one of them")
        mapping[role.strip()] = column.strip()
    return mapping
