"""Reads a file of ratings as a practice's program wrote it: table, columns, questionnaire, dates, ratings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.columns import ColumnLayout, given_columns, guess_columns
from schemas.rating_tables.date_cells import DateFormat, are_mixed, guess_dates
from schemas.rating_tables.mark_cells import mark_of
from schemas.rating_tables.mark_columns import holds_marks, is_item
from schemas.rating_tables.questionnaire import Questionnaire, guess_questionnaire
from schemas.rating_tables.ratings import TableRatings, parse_ratings
from schemas.rating_tables.reading_options import GUESS_ALL, ReadingOptions
from schemas.rating_tables.side_forms import SideForm, given_side_forms, guess_side_forms
from schemas.rating_tables.table import Table, read_table
from schemas.rating_tables.table_errors import UnclearTable, UnusableTable
from schemas.rating_tables.wide_table import unroll
from schemas.ratings_csv import REQUIRED as DOCUMENTED


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
    side_forms: tuple[SideForm, ...] = ()
    """Forms in the same rows that are stored and never scored."""

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
            stored={str(form.instrument.id): form.columns for form in self.side_forms},
        )


def read_ratings_table(file: Path, catalogue: Catalogue, options: ReadingOptions = GUESS_ALL) -> TableReading:
    """Take a file through all stages: table, columns, questionnaire, dates, ratings.

    Raises:
        UnusableTable: the table is broken, its columns or its questionnaire cannot be guessed, or it has
            other columns than the options say.
    """
    table = read_table(file, options.sheet, catalogue)
    alone = None
    if options.header is None:
        table = unroll(table, options.fields)
        # In the documented form each row names its own, whoever reads it.
        is_documented = set(DOCUMENTED) <= set(table.header)
        side_forms = () if is_documented else guess_side_forms(table, catalogue, options.fields.values())
        alone = _form_alone(table, options.fields, side_forms)
        if alone is not None:
            questionnaire = guess_questionnaire(table, alone, catalogue, str(side_forms[0].instrument.id))
            questionnaire = replace(
                questionnaire, evidence="the columns are named after it", certainty="sure"
            )
            columns, side_forms = alone, ()
        else:
            other = [name for form in side_forms for name in form.columns]
            columns = guess_columns(table, options.fields, other)
    else:
        _check_header(table, options.header)
        table = _unrolled(table) if options.several_sessions else table
        columns = given_columns(table, options.fields)
        side_forms = given_side_forms(table, catalogue, options.stored)
    if alone is None:
        questionnaire = guess_questionnaire(table, columns, catalogue, options.instrument)
    moments = [cell for line in table.lines if (cell := columns.session_cell(line))]
    dates = guess_dates(moments, month_first=options.month_first, order=options.dates)
    _check_dates(columns, dates, moments)
    therapist = options.therapist if columns.get("therapist_id") is None else None
    ratings = parse_ratings(
        table,
        columns,
        questionnaire,
        dates,
        side_forms=side_forms,
        therapist=therapist,
        replace_references=options.replace_references,
    )
    return TableReading(
        table, columns, questionnaire, ratings, therapist, options.several_sessions, side_forms
    )


def _form_alone(
    table: Table, fields: Mapping[str, str], side_forms: Sequence[SideForm]
) -> ColumnLayout | None:
    """Return the columns of a table that holds one form which is only stored, and no other marks at all.

    Raises:
        UnclearTable: as `guess_columns`.
    """
    if len(side_forms) != 1 or side_forms[0].has_total or any(map(is_item, fields)):
        return None
    form = side_forms[0]
    items = {f"item_{number}": name for number, name in enumerate(form.columns, start=1)}
    columns = guess_columns(table, {**fields, **items})
    known = {*form.columns, *(match.column for match in columns.matches)}
    others = [name for name in table.header if name and name not in known and not form.is_total(name)]
    if columns.get("instrument") or any(holds_marks(table, name) for name in others):
        return None
    return replace(columns, items_certainty="sure")


def _check_dates(columns: ColumnLayout, dates: DateFormat, cells: Sequence[str]) -> None:
    """Check that the dates can be read at all, and in one order.

    Raises:
        UnclearTable: they cannot.
    """
    column = columns.get("session_at")
    if are_mixed(cells):
        raise UnclearTable(
            f"The column {column} mixes dates with the day first and dates with the month first, so that 3/4"
            " may be either. Write all of them in one way, such as 2025-03-04."
        )
    if dates.fits == 0 and any(mark_of(cell) is not None for cell in cells):
        raise UnclearTable(
            f"No cell of the column {column} can be read as a date. Write them such as 2025-03-04 14:30, or"
            " name another column with --map session_at=COLUMN."
        )


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
