"""A file of FHIR resources is read like any other file of ratings."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.table_errors import UnusableTable
from services.cli.client.rating_files import read_ratings
from tests.support.fhir_resources import bundle, encounter, response

CATALOGUE = Catalogue.load()
FIRST = response(identifier={"value": "r-1"})
SECOND = response(
    "item", identifier={"value": "r-2"}, status="stopped", encounter={"reference": "Encounter/s-2"}
)
WITHDRAWN = response(
    identifier={"value": "r-3"}, status="entered-in-error", meta={"lastUpdated": "2026-11-21T08:00:00Z"}
)
UNFINISHED = response(identifier={"value": "r-4"}, status="in-progress")


def read(folder: Path, text: str, name: str = "own.json") -> TableReading:
    """How a file with this text is read."""
    (folder / name).write_text(text)
    return read_ratings_table(folder / name, CATALOGUE)


def bodies(reading: TableReading) -> list[dict[str, Any]]:
    """The ratings of a file."""
    return [row.body for row in reading.ratings.rows]


@pytest.mark.parametrize("type_", ["collection", "searchset", "transaction"])
def test_a_bundle_is_read(tmp_path: Path, type_: str) -> None:
    reading = read(tmp_path, json.dumps(bundle(FIRST, encounter(), SECOND, WITHDRAWN, type_=type_)))
    assert not reading.has_guesses
    assert [body["id"] for body in bodies(reading)] == ["r-1", "r-2", "r-3"]
    assert [body.get("status") for body in bodies(reading)] == [None, "declined", "withdrawn"]
    assert bodies(reading)[0]["items"] == [9.2, 8.8, 9.0, 9.1]
    assert bodies(reading)[0]["session_at"] == "2026-11-20T09:00:00+01:00"
    assert [row.number for row in reading.ratings.rows] == [1, 3, 4]


@pytest.mark.parametrize("name", ["own.ndjson", "own.json"])
def test_one_resource_per_line_is_read(tmp_path: Path, name: str) -> None:
    lines = "".join(f"{json.dumps(each)}\n" for each in (encounter(), FIRST, SECOND))
    reading = read(tmp_path, lines, name)
    assert [row.number for row in reading.ratings.rows] == [2, 3]
    assert bodies(reading)[0]["session_at"] == "2026-11-20T09:00:00+01:00"


def test_what_a_file_holds_is_what_would_be_sent(tmp_path: Path) -> None:
    file = tmp_path / "own.ndjson"
    file.write_text(json.dumps(FIRST))
    (rating,) = read_ratings(file, "p-1", CATALOGUE.item_counts, lambda: CATALOGUE).ratings
    assert json.loads(rating.body) == {
        "id": "r-1",
        "client_id": "c-7f3a91",
        "therapist_id": "t-12",
        "session_id": "s-1",
        "session_at": "2026-11-20T10:00:00+01:00",
        "recorded_at": "2026-11-20T10:00:00+01:00",
        "instrument": "srs",
        "items": [9.2, 8.8, 9.0, 9.1],
    }


def test_a_response_that_is_no_rating_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    reading = read(tmp_path, json.dumps([FIRST, UNFINISHED]))
    assert [body["id"] for body in bodies(reading)] == ["r-1"]
    (cell,) = reading.ratings.invalid
    assert (cell.row, cell.column) == (2, "QuestionnaireResponse.status")
    assert cell.expected == "send the response again once it is completed or stopped"
    assert reading.ratings.unread == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(UNFINISHED), "holds no response that can be read as a rating. The first one: "),
        (json.dumps(FIRST) + "\n{", "line 2: this is no JSON"),
        (json.dumps({"resourceType": "Bundle", "type": "message"}), "Bundle.type is not a type of bundle"),
    ],
)
def test_a_file_without_a_rating_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UnusableTable, match=message):
        read(tmp_path, text)
