"""Turns the rows of a table into ratings, and names invalid cells without repeating their values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from schemas.correction_warnings import FileRating, correction_warnings
from schemas.rating_tables.columns import ColumnLayout
from schemas.rating_tables.date_cells import DateFormat, has_zone
from schemas.rating_tables.questionnaire import Questionnaire
from schemas.rating_tables.row_parser import RowParser, is_no_date
from schemas.rating_tables.side_forms import SideForm
from schemas.rating_tables.table import InvalidCell, Table
from schemas.ratings_csv import RatingRow

_FIRST_NUMBER = 2
"""The number of the first row; the header is row 1."""
ONE_THERAPIST = "all"
"""The therapist of every row of a table without a column of therapists."""


@dataclass(frozen=True, slots=True)
class TableRatings:
    """The ratings of a table, and its invalid cells."""

    rows: tuple[RatingRow, ...]
    invalid: tuple[InvalidCell, ...]
    moments: dict[int, datetime]
    """The time of each row's session, in the file's own time zone."""
    dates: DateFormat
    without_zone: int
    """Dates that carry no time zone, read as UTC."""
    dated: int
    """Rows with a date."""
    replaced: bool
    """Some references have characters that Rapport does not accept, and were replaced."""
    other_forms: Mapping[str, int]
    """How many rows answer which questionnaires that are not known; they are left out."""
    stored: Mapping[str, int]
    """How many rows are of outcome or the therapist's own, by questionnaire: they are never scored."""
    unknown_statuses: Mapping[str, int]
    """How many rows have which words for a status that are not known; their appointments count as held."""
    file_rows: Mapping[int, int]
    """The lines of the file by the numbers of the ratings, where a line holds several."""
    without_form: int
    """Rows without a date and a mark, such as those that REDCap adds for surveys that were not completed."""
    unread: int
    """Rows that are no valid ratings."""
    same_day: int
    """Rows that are a session of their own beside another one of the client, on a date without time."""

    @property
    def of_alliance(self) -> int:
        """Return how many are clients' ratings of the alliance; the others are only stored."""
        return len(self.rows) - sum(self.stored.values())

    @property
    def ineffective(self) -> list[str]:
        """Sentences about rows that would be accepted and then not be taken as corrections."""
        bodies = (
            FileRating(self.file_row(row.number), row.practice_id, json.dumps(row.body).encode())
            for row in self.rows
        )
        return list(correction_warnings(bodies))

    def file_row(self, number: int) -> int:
        """Return the line of the file that holds the rating with this number."""
        return self.file_rows.get(number, number)


def parse_ratings(
    table: Table,
    columns: ColumnLayout,
    questionnaire: Questionnaire,
    dates: DateFormat,
    *,
    side_forms: Sequence[SideForm] = (),
    therapist: str | None = None,
    replace_references: bool = False,
) -> TableRatings:
    """Turn every row into the body of a rating, or into errors.

    `side_forms` are further forms in the same rows, each a rating of its own where it is filled in; the
    ratings are then counted from 2 on, because a row has several. `therapist` is that of all rows where no
    column holds one. `replace_references` replaces those that look like names instead of refusing them, for a
    reader who only looks at the numbers.
    """
    parser = RowParser(
        columns,
        questionnaire,
        dates,
        therapist=therapist or ONE_THERAPIST,
        replaces=replace_references,
        side_forms=side_forms,
    )
    file_rows = {line.number: line.row for line in table.lines if line.row is not None}
    numbers = count(_FIRST_NUMBER)
    rows: list[RatingRow] = []
    invalid = list(table.unread)
    unread = len({cell.row for cell in table.unread})
    for line in table.lines:
        if parser.is_of_another_form(line) or parser.is_without_form(line):
            continue
        own = replace(line, number=next(numbers), row=line.file_row) if side_forms else line
        parsed: list[RatingRow | list[InvalidCell]] = [parser.parse(own)]
        if isinstance(rating := parsed[0], RatingRow):
            for form in side_forms:
                own = replace(own, number=next(numbers))
                beside = parser.parse_side_form(own, form, rating)
                parsed += [] if beside is None else [beside]
        for one in parsed:
            if isinstance(one, RatingRow):
                rows.append(one)
                file_rows |= {one.number: line.file_row} if side_forms else {}
            else:
                invalid += one
        unread += any(isinstance(one, list) for one in parsed)
    dated = [cell for line in table.lines if not is_no_date(cell := columns.session_cell(line))]
    return TableRatings(
        rows=tuple(rows),
        invalid=tuple(invalid),
        moments=parser.moments,
        dates=dates,
        without_zone=sum(not has_zone(cell) for cell in dated),
        dated=len(dated),
        replaced=parser.replaced,
        other_forms=parser.other_forms,
        stored=parser.stored,
        unknown_statuses=parser.unknown_statuses,
        file_rows=file_rows,
        without_form=parser.without_form,
        unread=unread,
        same_day=parser.same_day,
    )
