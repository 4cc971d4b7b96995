"""Finds the row that names the columns, and the rows under it that only describe them."""

from collections.abc import Sequence
from itertools import takewhile

from schemas.rating_tables.date_cells import guess_dates
from schemas.rating_tables.mark_cells import is_mark, mark_of

MOST_TITLES = 20
"""Rows above the header that may be titles."""
_MOST_DESCRIPTIONS = 2
_ENOUGH_VALUES = 3
_FEW_ROWS = 6
"""Rows, those that describe the columns among them, whose columns may hold fewer values than that."""
_LOOKED_AT = 20
"""Cells of a column that show what it holds."""
_IMPORT_ID = '"ImportId"'
"""Only the last of the rows with which Qualtrics describes its columns holds it."""


def header_place(rows: Sequence[Sequence[str]]) -> int:
    """Return the place of the row that names the columns: 0, unless those above can only be titles.

    Titles fill less than half as many cells as the fullest row, and the header names and holds no value.
    """
    filled = [sum(1 for cell in cells if cell.strip()) for cells in rows]
    usual = max(filled, default=0)
    place = next((place for place, number in enumerate(filled[: MOST_TITLES + 1]) if 2 * number >= usual), 0)
    holds_values = any(isinstance(mark_of(cell.strip()), float) for cell in rows[place]) if rows else False
    return 0 if holds_values or filled[place : place + 1] <= [1] else place


def count_descriptions(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows under the header describe the columns instead of holding values.

    They have words where all later rows have numbers or dates, in two columns at least.

    Args:
        rows: those under the header, each as wide as it.
    """
    first = rows[:_MOST_DESCRIPTIONS]
    for place, cells in reversed(list(enumerate(first))):
        if any(_IMPORT_ID in cell for cell in cells):
            return place + 1
    later = rows[_MOST_DESCRIPTIONS:]
    columns = [place for place in range(len(rows[0]) if rows else 0) if _holds_values(later, place)]

    def describes(cells: Sequence[str]) -> bool:
        words = [cells[place] for place in columns if cells[place].strip()]
        return len(words) > 1 and not any(map(_is_value, words))

    described = sum(1 for _ in takewhile(describes, first))
    return described or (_count_above_few(rows) if len(rows) <= _FEW_ROWS else 0)


def _count_above_few(rows: Sequence[Sequence[str]]) -> int:
    """Return how many of few rows describe the columns for certain.

    Each has a word of its own in every column in which all rows under it have values; there are at least
    three such columns, and one of them holds dates.
    """
    for described in range(min(_MOST_DESCRIPTIONS, len(rows) - 1), 0, -1):
        later = rows[described:]
        columns = {
            place: cells
            for place in range(len(rows[0]))
            if any(cells := [row[place].strip() for row in later]) and all(map(_is_value, cells))
        }
        has_dates = any(
            guess_dates(cells).fits == 1 and not any(map(is_mark, cells)) for cells in columns.values()
        )
        words = [[row[place].strip() for place in columns] for row in rows[:described]]
        if has_dates and all(
            len(columns) >= _ENOUGH_VALUES
            and all(each)
            and len(set(each)) == len(each)
            and not any(map(_is_value, each))
            for each in words
        ):
            return described
    return 0


def _holds_values(rows: Sequence[Sequence[str]], place: int) -> bool:
    cells = [cells[place] for cells in rows if cells[place].strip()][:_LOOKED_AT]
    return len(cells) >= _ENOUGH_VALUES and all(map(_is_value, cells))


def _is_value(cell: str) -> bool:
    return is_mark(cell.strip()) or guess_dates([cell.strip()]).fits > 0
