"""JSON is read like a table: a list of objects, one object per line, or the ratings of `rapport send`."""

import json
from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.table import read_table
from schemas.rating_tables.table_errors import UnusableTable

OBJECTS = [
    {"Client": 101, "Date": "2025-03-04", "done": True, **{f"srs{n}": 8.5 for n in range(1, 5)}},
    {"Client": 101, "Date": "2025-03-11", "note": None, **{f"srs{n}": 9 for n in range(1, 5)}},
]
RATING = {
    "client_id": "c1",
    "therapist_id": "t1",
    "session_id": "s1",
    "session_at": "2025-03-04T09:00:00+01:00",
    "instrument": "srs",
    "items": [9, 8.5, None, 9],
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(OBJECTS),
        json.dumps(OBJECTS, indent=2),
        json.dumps({"exported": "2025-04-01", "responses": OBJECTS}),
        "\ufeff" + "\n".join(map(json.dumps, OBJECTS)),
    ],
    ids=["list", "indented", "list in an object", "lines"],
)
def test_objects_are_rows(text: str, catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(text, encoding="utf-8")
    table = read_table(tmp_path / "own.json")
    assert table.header == ("Client", "Date", "done", "srs1", "srs2", "srs3", "srs4", "note")
    assert [line.cells["done"] for line in table.lines] == ["true", ""]
    reading = read_ratings_table(tmp_path / "own.json", catalogue)
    assert [row.body["items"] for row in reading.ratings.rows] == [[8.5] * 4, [9] * 4]
    assert [row.number for row in reading.ratings.rows] == [1, 2]


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_ratings_of_send_and_simulate_are_read_as_they_are(
    *, wrapped: bool, catalogue: Catalogue, tmp_path: Path
) -> None:
    scored = {key: value for key, value in RATING.items() if key != "items"} | {
        "session_id": "s2",
        "session_at": "2025-03-11T09:00:00+01:00",
        "scores": {"bond": 8, "goal": 7, "task": 7.5},
    }
    lines = [{"practice": "north", "rating": one} if wrapped else one for one in (RATING, scored)]
    file = tmp_path / "ratings.ndjson"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    reading = read_ratings_table(file, catalogue)
    assert reading.ratings.invalid == ()
    assert [row.body for row in reading.ratings.rows] == [RATING, scored]
    assert {row.practice_id for row in reading.ratings.rows} == {"north" if wrapped else None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"a": 1},\n {"a": }]', r"own\.json, line 2: this is no JSON \(Expecting value\)\."),
        ('{"a": 1}\n{"a" 2}\n', r"own\.json, line 2: this is no JSON"),
        ("[1, 2]", r"own\.json, value 1: it is no object"),
        ('{"resourceType": "Bundle", "entry": []}', "Bundle.type is not a type of bundle that Rapport reads"),
        ('{"resourceType": "Patient", "id": "1"}', "holds no QuestionnaireResponse"),
        ("[]", "holds no objects with the values of a form"),
        ('{"a": 1}', "holds no objects with the values of a form"),
        ('[{"a": 1, "a": 2}]', r"An object has a value twice: 'a'; rename one of them"),
        ('[{"a_1": 1, "a": [2]}]', r"value 1: two values would be called 'a_1'"),
        ('[{"a": "\\ud800", "b": 1}]', r"value 1: half a character stands in 'a'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 3_000 + "1" + "}" * 3_000, "nested too deeply"),
    ],
)
def test_what_is_no_list_of_objects_is_refused_with_its_place(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(UnusableTable, match=message):
        read_table(tmp_path / "own.json")


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text(f'[{{"a": 8.50, "b": {"9" * 5_000}, "c": NaN, "d": 7e0}}]')
    (line,) = read_table(tmp_path / "own.json").lines
    assert line.cells == {"a": "8.50", "b": "9" * 5_000, "c": "NaN", "d": "7e0"}
