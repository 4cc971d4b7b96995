"""Reads files of ratings, CSV or NDJSON, as ratings to send."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from schemas.csv_table import TableReader, text_lines
from schemas.ratings_csv import REQUIRED, RatingColumns
from services.cli.client.send_ratings import RatingToSend


def read_ratings(
    file: Path, practice: str | None, instruments: Callable[[], Mapping[str, int]]
) -> list[RatingToSend]:
    """Return the file's ratings in order; a file named *.csv is CSV, any other is NDJSON.

    `practice` applies to ratings for which the file names none. `instruments` is called once the whole table
    was read, and returns the number of items of each instrument by its id. An NDJSON line is a rating, or
    `{"practice": …, "rating": {…}}` as `rapport simulate` writes it; any other line is sent unchanged, so
    that ingest reports what is wrong with it.

    Raises:
        UnreadableTable: the table lacks a column, a row does not fit under the header, or it is not UTF-8.
    """
    if file.suffix.lower() != ".csv":
        lines = enumerate(text_lines(file), start=1)
        return [_from_ndjson(number, line.strip(), practice) for number, line in lines if line.strip()]
    table = TableReader(file)
    table.require(REQUIRED)
    rows = list(table)
    columns = RatingColumns(table.header, instruments())
    ratings = (columns.row(cells, line) for line, cells in rows)
    return [
        RatingToSend(rating.number, rating.practice_id or practice, json.dumps(rating.body).encode())
        for rating in ratings
    ]


def _from_ndjson(number: int, line: str, practice: str | None) -> RatingToSend:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return RatingToSend(number, practice, line.encode())
    if isinstance(value, dict) and isinstance(value.get("rating"), dict):
        return RatingToSend(number, value.get("practice") or practice, json.dumps(value["rating"]).encode())
    return RatingToSend(number, practice, line.encode())
