"""Reads a file of ratings as a practice's program wrote it: table, columns, questionnaire, dates, ratings."""

from dataclasses import dataclass
from pathlib import Path

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.columns import ColumnLayout, given_columns, guess_columns
from schemas.rating_tables.date_cells import guess_dates
from schemas.rating_tables.questionnaire import Questionnaire, guess_questionnaire
from schemas.rating_tables.ratings import TableRatings, parse_ratings
from schemas.rating_tables.reading_options import GUESS_ALL, ReadingOptions
from schemas.rating_tables.table import Table, read_table
from schemas.rating_tables.table_errors import UnusableTable
from schemas.rating_tables.wide_table import unroll


@dataclass(frozen=True, slots=True)
class TableReading:
    """A file of ratings, and how it was understood."""

    table: Table
    columns: ColumnLayout
    questionnaire: Questionnaire
    ratings: TableRatings
    therapist: str | None
    """The therapist of all rows, where no column holds one and one was given."""
    occasions_given: bool
    """A mapping says that the rows hold several sessions."""

    @property
    def has_guesses(self) -> bool:
        """Whether part of the file's layout is only a guess."""
        certainties = (
            self.columns.items_certainty,
            self.questionnaire.certainty,
            *(match.certainty for match in self.columns.matches),
        )
        return "guess" in certainties or (self.table.occasions is not None and not self.occasions_given)

    def mapping(self) -> ReadingOptions:
        """Return what a mapping file keeps, so that the practice's next export is read in the same way."""
        default = self.questionnaire.default
        items = {f"item_{number}": name for number, name in enumerate(self.columns.items, start=1)}
        return ReadingOptions(
            fields={match.role: match.column for match in self.columns.matches} | items,
            instrument=None if default is None else str(default.id),
            therapist=self.therapist,
            header=self.table.header if self.table.occasions is None else self.table.occasions.header,
            several_sessions=self.table.occasions is not None,
            dates=self.ratings.dates.written,
            sheet=self.table.sheet,
        )


def read_ratings_table(file: Path, catalogue: Catalogue, options: ReadingOptions = GUESS_ALL) -> TableReading:
    """Take a file through all stages: table, columns, questionnaire, dates, ratings.

    Raises:
        UnusableTable: the table is broken, its columns or its questionnaire cannot be guessed, or it has
            other columns than the options say.
    """
    table = read_table(file, options.sheet, catalogue)
    if options.header is None:
        table = unroll(table, options.fields)
        columns = guess_columns(table, options.fields)
    else:
        _check_header(table, options.header)
        table = _unrolled(table) if options.several_sessions else table
        columns = given_columns(table, options.fields)
    questionnaire = guess_questionnaire(table, columns, catalogue, options.instrument)
    moments = [cell for line in table.lines if (cell := columns.session_cell(line))]
    dates = guess_dates(moments, month_first=options.month_first, order=options.dates)
    therapist = options.therapist if columns.get("therapist_id") is None else None
    ratings = parse_ratings(
        table,
        columns,
        questionnaire,
        dates,
        therapist=therapist,
        replace_references=options.replace_references,
    )
    return TableReading(table, columns, questionnaire, ratings, therapist, options.several_sessions)


def _unrolled(table: Table) -> Table:
    unrolled = unroll(table, {})
    if unrolled.occasions is None:
        raise UnusableTable(
            "The mapping says that each row holds several sessions, and this cannot be told from the cells of"
            " this file. Look at it with `rapport try` without --mapping."
        )
    return unrolled


def _check_header(table: Table, header: tuple[str, ...]) -> None:
    missing = [name for name in header if name not in table.header]
    new = [name for name in table.header if name not in header]
    if missing or new:
        differs = [
            f"{what} {', '.join(names)}"
            for what, names in (("it lacks", missing), ("it also has", new))
            if names
        ]
        raise UnusableTable(
            f"The file has other columns than the mapping: {'; '.join(differs)}. Look at it with `rapport"
            " try` without --mapping, and write a new mapping with --write-mapping."
        )
