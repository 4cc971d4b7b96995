"""Reads files of ratings, CSV or NDJSON, as ratings to send."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.ratings_csv import read_rows
from services.cli.client.send_ratings import RatingToSend


def read_ratings(file: Path, practice: str | None, instruments: Mapping[str, int]) -> Iterator[RatingToSend]:
    """Yield the file's ratings in order; a file named *.csv is CSV, any other is NDJSON.

    `practice` applies to ratings for which the file names none; `instruments` maps each instrument's id to
    its number of items. An NDJSON line is a rating, or `{"practice": …, "rating": {…}}` as `rapport
    simulate` writes it; any other line is sent unchanged, so that ingest reports what is wrong with it.

    Raises:
        ValueError: a required column of the CSV is missing.
    """
    with file.open(newline="", encoding="utf-8-sig") as lines:
        if file.suffix.lower() == ".csv":
            for row in read_rows(lines, instruments):
                yield RatingToSend(row.number, row.practice_id or practice, json.dumps(row.body).encode())
            return
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _from_ndjson(number, line.strip(), practice)


def _from_ndjson(number: int, line: str, practice: str | None) -> RatingToSend:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return RatingToSend(number, practice, line.encode())
    if isinstance(value, dict) and isinstance(value.get("rating"), dict):
        return RatingToSend(number, value.get("practice") or practice, json.dumps(value["rating"]).encode())
    return RatingToSend(number, practice, line.encode())
