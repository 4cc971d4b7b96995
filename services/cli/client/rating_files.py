"""Reads files of ratings, tables or NDJSON, as ratings to send."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.csv_table import TableReader, text_lines
from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.canonical_table import is_canonical
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.reading_options import GUESS_ALL, ReadingOptions
from schemas.ratings_csv import REQUIRED, RatingColumns, unread_columns
from services.cli.client.send_ratings import RatingToSend

_JSON_LINES = (".ndjson", ".jsonl")
_OF_RATINGS = frozenset({"rating", *REQUIRED})
"""Names in a rating as it is sent; objects with others alone are rows of a table."""


@dataclass(frozen=True, slots=True)
class RatingFile:
    """The ratings of a file in their order, and how it was understood."""

    ratings: list[RatingToSend]
    reading: TableReading | None
    """None: NDJSON, or a table in the documented form."""
    unread: Sequence[str] = ()
    """Columns of a table in the documented form that it does not have; they stay in the file."""


def stored_ratings(found: RatingFile, catalogue: Catalogue) -> Counter[str]:
    """Return how many ratings will be stored and never scored, by questionnaire."""
    ids = {str(one.id) for one in catalogue if not one.is_alliance}
    named = (_instrument(one.body) for one in found.ratings)
    return Counter(name for name in named if name in ids)


def _instrument(body: bytes) -> str:
    try:
        value = json.loads(body)
    except ValueError:
        return ""  # ingest says what is wrong with it
    return str(value.get("instrument", "")) if isinstance(value, dict) else ""


def read_ratings(
    file: Path,
    practice: str | None,
    item_counts: Callable[[], Mapping[str, int]],
    catalogue: Callable[[], Catalogue],
    options: ReadingOptions = GUESS_ALL,
) -> RatingFile:
    """Return the file's ratings in order.

    `practice` applies to ratings for which the file names none. `item_counts` returns the number of items of
    each instrument by its id. A line of NDJSON is a rating, or `{"practice": …, "rating": {…}}` as `rapport
    simulate` writes it; any other line is sent unchanged, so that ingest reports what is wrong with it. A
    table in another form than the documented one, and JSON of another kind, is read with the instruments of
    `catalogue`, and its rows that are no valid ratings are only in the reading.

    Raises:
        UnreadableTable: a row does not fit under the header, or the text is not UTF-8.
        UnusableTable: a table in another form than the documented one cannot be understood.
    """
    if options == GUESS_ALL and _is_json_lines(file):
        lines = enumerate(text_lines(file), start=1)
        return RatingFile(
            [_from_ndjson(number, line.strip(), practice) for number, line in lines if line.strip()], None
        )
    unread: Sequence[str] = ()
    if options != GUESS_ALL or not is_canonical(file):
        reading = read_ratings_table(file, catalogue(), options)
        rows = list(reading.ratings.rows)
    else:
        reading = None
        table = TableReader(file)
        unread = unread_columns(table.header)
        cells = list(table)
        columns = RatingColumns(table.header, item_counts())
        rows = [columns.row(row.cells, row.line) for row in cells]
    return RatingFile(
        [
            RatingToSend(
                reading.ratings.file_row(row.number) if reading else row.number,
                row.practice_id or practice,
                json.dumps(row.body).encode(),
            )
            for row in rows
        ],
        reading,
        unread,
    )


def _is_json_lines(file: Path) -> bool:
    """Return whether the first line is a rating as it is sent; if it is no JSON, the file's name decides."""
    with file.open("rb") as content:
        first = next((line for line in content if line.strip()), b"")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return file.suffix.lower() in _JSON_LINES
    return isinstance(value, dict) and not _OF_RATINGS.isdisjoint(value)


def _from_ndjson(number: int, line: str, practice: str | None) -> RatingToSend:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return RatingToSend(number, practice, line.encode())
    if isinstance(value, dict) and isinstance(value.get("rating"), dict):
        return RatingToSend(number, value.get("practice") or practice, json.dumps(value["rating"]).encode())
    return RatingToSend(number, practice, line.encode())
