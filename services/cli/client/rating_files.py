"""A file of ratings (CSV or NDJSON) in, items to deliver out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.ratings_csv import read_rows
from services.cli.client.send_ratings import RatingToSend


def is_table(file: Path) -> bool:
    """CSV by its name; everything else is NDJSON."""
    return file.suffix.lower() == ".csv"


def read_ratings(file: Path, practice: str | None, instruments: Mapping[str, int]) -> Iterator[RatingToSend]:
    """The file's ratings in order. `practice` stands where the file names none.

    An NDJSON line is a rating, or `{"practice": …, "rating": {…}}` as `rapport simulate` writes it; it is
    passed on as it stands, so that ingest says what is wrong with it.

    Raises:
        ValueError: a table lacks a column.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        if is_table(file):
            for row in read_rows(lines, instruments):
                yield RatingToSend(row.number, row.practice_id or practice, json.dumps(row.body).encode())
            return
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _ndjson_item(number, line.strip(), practice)


def _ndjson_item(number: int, line: str, practice: str | None) -> RatingToSend:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return RatingToSend(number, practice, line.encode())
    if isinstance(found, dict) and isinstance(found.get("rating"), dict):
        return RatingToSend(number, found.get("practice") or practice, json.dumps(found["rating"]).encode())
    return RatingToSend(number, practice, line.encode())
