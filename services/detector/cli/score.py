"""The command `rapport score`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from schemas.rating_tables.reading import TableReading
    from services.detector.files.file_statistics import StatisticsByPractice

_SCORE_HELP = """
Score a table of ratings with the detector's own code.

Needs no broker and no database. The documented form is CSV with the columns
client_id, therapist_id, session_id, session_at, instrument, item_1 …;
optional: practice_id, case_id, id, status, next_session_at, recorded_at, and
bond, goal, task instead of items. Any other table is read as `rapport try`
reads it, and how it was understood is shown. A table may hold several
instruments. A row without marks means that the client gave no form.

The output has one line per distinct rating, in the order of the table:
session_id, client_id, risk, alert, leading_component, bond, goal, task,
episode, model_version. `alert` is 1 when the session is flagged, which needs
a risk at or above the threshold. `episode` is what the session did to the
client's episode.

Example:

  rapport score ratings.csv --out scores.csv
"""

_LARGE_TABLE = 50_000
"""Rows from which a second process is worth the seconds that it takes to start."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="score", help=_SCORE_HELP)(score)


def score(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The table.")],
    out: Annotated[Path, typer.Option(help="The file to write (CSV).")],
    *,
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="How the table is read: of `try --write-mapping`."),
    ] = None,
    settings: Annotated[
        Path | None,
        typer.Option(exists=True, help="The practices' thresholds, from `rapport thresholds export`."),
    ] = None,
    statistics: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|none",
            help="The practices' statistics, from `rapport statistics export`, for a model that reads them;"
            " none: without any. Default: computed from the table.",
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model; default: the shipped model.")
    ] = None,
    processes: Annotated[
        int,
        typer.Option(min=0, help="Number of processes; 0: two for a large table, else one."),
    ] = 0,
) -> None:
    """Score a table of ratings."""
    from contextlib import ExitStack
    from functools import partial
    from io import TextIOWrapper

    from schemas.instruments.settings import InstrumentSettings
    from schemas.rating_tables.canonical_table import canonical_table, stored_rows
    from schemas.rating_tables.description import stored_lines, with_cure
    from schemas.rating_tables.reading_options import GUESS_ALL, read_mapping
    from schemas.rating_tables.table_errors import UnusableTable
    from services.detector.files import threshold_file
    from services.detector.files.score_file import score_file
    from services.detector.files.table_workers import Workers
    from services.detector.model.artefact import SHIPPED, load
    from services.runtime.process.errors import Halt
    from services.runtime.process.out_option import check_out
    from services.runtime.process.progress_bar import progress_bars
    from services.runtime.process.whole_file import whole_file

    check_out(out, source=file)
    opened = ExitStack()
    try:
        detector = load(model or SHIPPED)
        thresholds = threshold_file.read(settings, detector.version) if settings else None
        given = None if statistics is None else _statistics(statistics)
        catalogue = InstrumentSettings().catalogue()
        options = read_mapping(mapping) if mapping else GUESS_ALL
        table = opened.enter_context(canonical_table(file, catalogue, options))
        if table.reading is not None:
            _check_reading(table.reading)
        else:
            _say([*stored_lines(stored_rows(table.file, catalogue)), *_unread(table.file)])
        rows = _count_rows(table.file)
        count = processes or (2 if rows >= _LARGE_TABLE and (os.cpu_count() or 1) > 1 else 1)
        workers = Workers(count, partial(load, model or SHIPPED)) if count > 1 else None
        with (
            whole_file(out) as written,
            TextIOWrapper(written, encoding="utf-8", newline="") as target,
            progress_bars() as show,
        ):
            scored = score_file(
                table.file,
                target,
                detector,
                catalogue,
                thresholds=thresholds,
                statistics=given,
                progress=lambda phase, done, total: show(phase, done, total or rows),
                workers=workers,
            )
    except UnusableTable as error:
        typer.secho(f"{with_cure(error, file)}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    except (ValueError, Halt) as error:
        typer.secho(f"{error}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    finally:
        opened.close()
    typer.echo(f"{scored} ratings scored with {detector.version}: {out}")


def _unread(file: Path) -> "list[str]":
    from schemas.csv_table import TableReader
    from schemas.ratings_csv import unread_columns

    names = [name for name in unread_columns(TableReader(file).header) if name]
    return [f"not read: {', '.join(names)}"] if names else []


def _say(lines: "list[str]") -> None:
    for line in lines:
        typer.echo(line, err=True)


def _check_reading(reading: "TableReading") -> None:
    """Show how a table in a form of its own was understood; stop at rows that are no valid ratings."""
    from schemas.rating_tables.description import described
    from schemas.rating_tables.table_errors import UnusableTable

    for line in described(reading):
        typer.echo(line, err=True)
    invalid = reading.ratings.unread
    if invalid:
        raise UnusableTable(f"{invalid} rows are no valid ratings, as said above: correct or remove them.")


def _statistics(file_or_none: str) -> "StatisticsByPractice":
    from services.detector.files import statistics_file

    if file_or_none == "none":
        return {}
    if not Path(file_or_none).is_file():
        raise typer.BadParameter(f"there is no file {file_or_none}: give a file, or none")
    return statistics_file.read(Path(file_or_none))


def _count_rows(file: Path) -> int:
    """Return the number of rows, nearly: a cell may hold line breaks.

    Raises:
        UnusableTable: there are none.
    """
    from schemas.rating_tables.table_errors import UnusableTable

    with file.open("rb") as content:
        rows = sum(not line.isspace() for line in content) - 1
    if rows <= 0:
        raise UnusableTable("The table has no ratings, only a line that names the columns.")
    return rows
