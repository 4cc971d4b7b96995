"""Gives any file of ratings the form of `schemas.ratings_csv`, so that one reader of rows serves all."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from schemas.csv_table import TableReader, UnreadableTable
from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.date_cells import has_zone
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.reading_options import GUESS_ALL, ReadingOptions
from schemas.ratings_csv import OPTIONAL, PRACTICE, REQUIRED, SCORES, TOTAL, RatingRow, item_columns

_FIRST_ROWS = 50


@dataclass(frozen=True, slots=True)
class CanonicalTable:
    """A table in the documented form; its rows have the numbers that they have in the practice's file."""

    file: Path
    reading: TableReading | None
    """How the practice's file was understood; None: it has the documented form."""


@contextmanager
def canonical_table(
    file: Path, catalogue: Catalogue, options: ReadingOptions = GUESS_ALL
) -> Iterator[CanonicalTable]:
    """Yield the file itself where it has the documented form and nothing is said about it, else a copy.

    The copy has only the rows that are valid, and is removed at the end of the block.

    Raises:
        UnusableTable: the file cannot be understood.
    """
    if options == GUESS_ALL and is_canonical(file):
        yield CanonicalTable(file, None)
        return
    reading = read_ratings_table(file, catalogue, options)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "ratings.csv"
        write_canonical(reading.ratings.rows, copy)
        yield CanonicalTable(copy, reading)


def is_canonical(file: Path) -> bool:
    """Return whether a file is a table in the documented form, so that nothing about it must be guessed.

    It is where it has all required columns and some for marks under their own names, separated by commas, and
    one of its first sessions has a date with a time zone. Broken rows do not change that.
    """
    try:
        table = TableReader(file)
    except UnreadableTable:
        return False
    names = set(table.header)
    has_marks = item_columns(table.header) or set(SCORES) <= names or TOTAL in names
    if not has_marks or not set(REQUIRED) <= set(table.header):
        return False
    place = table.header.index("session_at")
    try:
        moments = [row.cells[place].strip() for row in islice(table, _FIRST_ROWS)]
    except UnreadableTable:
        return True
    return not moments or any(map(has_zone, moments))


def stored_rows(file: Path, catalogue: Catalogue) -> Counter[str]:
    """Return how many rows of a table in the documented form are never scored, by questionnaire."""
    ids = {str(one.id) for one in catalogue if not one.is_alliance}
    # Most tables name none of them, and then their rows need not be read once more.
    with file.open("rb") as content:
        if not any(name.encode() in line for line in content for name in ids):
            return Counter()
    table = TableReader(file)
    place = table.header.index("instrument")
    named = (row.cells[place].strip() for row in table)
    return Counter(name for name in named if name in ids)


def write_canonical(rows: tuple[RatingRow, ...], target: Path) -> None:
    """Write valid ratings as a table in the documented form, each on the line of its own number."""
    marks = [row.body.get("items") for row in rows]
    count = max((len(items) for items in marks if isinstance(items, list)), default=0)
    header = [PRACTICE, *REQUIRED, *OPTIONAL, *SCORES, TOTAL, *(f"item_{n}" for n in range(1, count + 1))]
    with target.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, header, restval="", lineterminator="\n")
        writer.writeheader()
        line = 2
        for row in rows:
            # Blank lines are no rows, so that an error further on names the row of the practice's file.
            lines.write("\n" * (row.number - line))
            writer.writerow(_cells(row))
            line = row.number + 1


def _cells(row: RatingRow) -> dict[str, object]:
    body = dict(row.body)
    items, scores = body.pop("items", None), body.pop("scores", None)
    cells = {PRACTICE: row.practice_id or "", **body}
    if isinstance(items, list):
        cells |= {f"item_{n}": _cell(mark) for n, mark in enumerate(items, start=1)}
    if isinstance(scores, dict):
        cells |= {name: _cell(mark) for name, mark in scores.items()}
    return cells


def _cell(mark: object) -> object:
    return "" if mark is None else mark
