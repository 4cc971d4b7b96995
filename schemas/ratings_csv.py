"""Reads a table of ratings (CSV) into rating bodies as a practice's system sends them.

Columns: `client_id, therapist_id, session_id, session_at, instrument, item_1, item_2, …`; optionally
`practice_id, id, case_id, status, next_session_at, recorded_at`, and `bond, goal, task` where a system keeps
only component scores, or `total` for an instrument of the kind outcome. One file may hold several
instruments. A row without any mark is a declined form, unless its `status` is `cancelled` (the appointment
did not take place) or `withdrawn`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.csv_table import TableReader

REQUIRED = ("client_id", "therapist_id", "session_id", "session_at", "instrument")
OPTIONAL = ("id", "case_id", "status", "next_session_at", "recorded_at")
SCORES = ("bond", "goal", "task")
TOTAL = "total"
PRACTICE = "practice_id"


@dataclass(frozen=True, slots=True)
class RatingRow:
    """One row of the table: its line number in the file (the header is 1), its practice, its rating."""

    number: int
    practice_id: str | None
    body: dict[str, object]


def item_columns(header: Iterable[str]) -> list[str]:
    """Return the columns of items in the order of their numbers."""
    numbered = [(int(name[5:]), name) for name in header if name.startswith("item_") and name[5:].isdecimal()]
    return [name for _, name in sorted(numbered)]


def unread_columns(header: Iterable[str]) -> list[str]:
    """Return the columns that are not read, so that their content never leaves the file."""
    names = list(header)
    read = {*REQUIRED, *OPTIONAL, *SCORES, TOTAL, PRACTICE, *item_columns(names)}
    return [name for name in names if name not in read]


class RatingColumns:
    """Knows where the columns of a table are, which must have those of `REQUIRED`; makes ratings of rows."""

    def __init__(self, header: Sequence[str], items_of: Mapping[str, int]) -> None:
        place = {name: number for number, name in enumerate(header)}
        self._items_of = items_of
        self._practice = place.get(PRACTICE)
        self._client = place["client_id"]
        self._required = [(name, place[name]) for name in REQUIRED]
        self._optional = [(name, place[name]) for name in OPTIONAL if name in place]
        self._scores = [(name, place.get(name)) for name in SCORES]
        self._total = place.get(TOTAL)
        self._items = [place[name] for name in item_columns(header)]
        self._instrument = place["instrument"]

    def whose(self, cells: Sequence[str]) -> tuple[str, str]:
        """Return practice (empty if none is named) and client of a row."""
        practice = "" if self._practice is None else cells[self._practice].strip()
        return practice, cells[self._client].strip()

    def row(self, cells: Sequence[str], number: int) -> RatingRow:
        """Return the rating in a row."""
        values = [cell.strip() for cell in cells]
        practice = None if self._practice is None else values[self._practice] or None
        return RatingRow(number, practice, self._body(values))

    def _body(self, values: Sequence[str]) -> dict[str, object]:
        body: dict[str, object] = {name: values[place] for name, place in self._required}
        for name, place in self._optional:
            if values[place]:
                body[name] = values[place]
        items = [_mark(values[place]) for place in self._items]
        count = self._items_of.get(values[self._instrument], len(items))
        # A file with several instruments has the columns of the longest; beyond a shorter one they are empty.
        while len(items) > count and items[-1] is None:
            items.pop()
        if items and items.count(None) < len(items):
            body["items"] = items
        elif any(place is not None and values[place] for _, place in self._scores):
            body["scores"] = {
                name: None if place is None else _mark(values[place]) for name, place in self._scores
            }
        elif self._total is not None and values[self._total]:
            body["total"] = _mark(values[self._total])
        else:
            body.setdefault("status", "declined")
        return body


def read_rows(table: TableReader, items_of: Mapping[str, int]) -> Iterator[RatingRow]:
    """Yield the ratings of a table in order; `items_of` is the number of items by instrument id.

    A mark that is not a number is passed on unchanged, so that validation names the item.

    Raises:
        UnreadableTable: a column is missing, or a row does not fit under the header.
    """
    table.require(REQUIRED)
    columns = RatingColumns(table.header, items_of)
    for line, cells in table:
        yield columns.row(cells, line)


def _mark(text: str) -> float | str | None:
    if not text:
        return None
    if "_" in text:  # Python reads 1_0 as 10, and nobody else does
        return text
    try:
        return float(text)
    except ValueError:
        return text
