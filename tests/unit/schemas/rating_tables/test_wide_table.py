"""A row that holds several sessions is unrolled where that is certain, and else refused with what to do."""

import csv
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.canonical_table import canonical_table
from schemas.rating_tables.description import described, invalid_lines
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.reading_options import ReadingOptions, read_mapping, write_mapping
from schemas.rating_tables.table_errors import UnclearTable, UnusableTable

CLIENTS, SESSIONS, ITEMS = 3, 6, 4
LINES = ("Relationship", "Goals", "Approach", "Overall")
Name = Callable[[int, int], str]
FORMS: dict[str, tuple[Callable[[int], str], Name]] = {
    "srs1_v1": (lambda v: f"date_v{v}", lambda v, i: f"srs{i}_v{v}"),
    "q1.1": (lambda v: f"date_{v}", lambda v, i: f"q{i}.{v}"),
    "T1_item3": (lambda v: f"T{v}_date", lambda v, i: f"T{v}_item{i}"),
    "srs1_1": (lambda v: f"date_{v}", lambda v, i: f"srs{v}_{i}"),
    "SRS 1 (visit 2)": (lambda v: f"Date (visit {v})", lambda v, i: f"SRS {i} (visit {v})"),
    "names": (
        lambda v: f"Date {v}",
        lambda v, i: f"{LINES[i - 1]} {v}",
    ),
}


def _mark(client: int, session: int, item: int) -> float:
    return 6 + (client * 7 + session * 3 + item) % 40 / 10


def _day(client: int, session: int) -> str:
    return f"2025-0{client}-{session * 4:02}"


def _wide(form: str = "srs1_v1", sessions: int = SESSIONS) -> list[dict[str, str]]:
    """Return rows; the last client has not had the last two sessions."""
    date, item = FORMS[form]
    return [
        {"patient": f"K{client}", "therapist": "T1"}
        | {
            name: value if client < CLIENTS or session <= sessions - 2 else ""
            for session in range(1, sessions + 1)
            for name, value in [
                (date(session), _day(client, session)),
                *((item(session, one), str(_mark(client, session, one))) for one in range(1, ITEMS + 1)),
            ]
        }
        for client in range(1, CLIENTS + 1)
    ]


def _write(file: Path, rows: list[dict[str, str]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def _sessions(reading: TableReading) -> list[tuple[object, ...]]:
    return [
        (row.number, row.body["client_id"], str(row.body["session_at"])[:10], row.body.get("items"))
        for row in reading.ratings.rows
    ]


def _expected() -> list[tuple[object, ...]]:
    numbers = count(2)
    return [
        (next(numbers), f"K{client}", _day(client, session),
         [_mark(client, session, item) for item in range(1, ITEMS + 1)])
        for client in range(1, CLIENTS + 1)
        for session in range(1, SESSIONS + 1)
        if client < CLIENTS or session <= SESSIONS - 2
    ]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_session_of_a_row_becomes_a_row_and_an_empty_one_none(
    form: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    reading = read_ratings_table(_write(tmp_path / "own.csv", _wide(form)), catalogue)
    assert _sessions(reading) == _expected()
    first = described(reading)[0]
    assert first.startswith(f"sessions         6 in each row, the first in {FORMS[form][0](1)} ")
    assert "; 2 have neither date nor marks and are left out (a guess: please check)" in first
    assert reading.has_guesses


def test_the_copy_for_other_commands_has_the_same_sessions(catalogue: Catalogue, tmp_path: Path) -> None:
    with canonical_table(_write(tmp_path / "own.csv", _wide()), catalogue) as table:
        again = read_ratings_table(table.file, catalogue)
    assert _sessions(again) == _expected()


def test_a_mapping_keeps_that_rows_hold_several_sessions(catalogue: Catalogue, tmp_path: Path) -> None:
    file, mapping = _write(tmp_path / "own.csv", _wide()), tmp_path / "practice.toml"
    write_mapping(read_ratings_table(file, catalogue).mapping(), mapping)
    again = read_ratings_table(file, catalogue, read_mapping(mapping))
    assert _sessions(again) == _expected()
    assert not again.has_guesses
    other = _write(tmp_path / "other.csv", [{**row, "date_v7": ""} for row in _wide()])
    with pytest.raises(UnusableTable, match="it also has date_v7"):
        read_ratings_table(other, catalogue, read_mapping(mapping))


def test_an_invalid_cell_is_named_by_its_row_and_column_in_the_file(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    rows = _wide()
    rows[1]["srs2_v4"], rows[1]["date_v5"], rows[0]["date_v3"] = "11", "", "soon"
    ratings = read_ratings_table(_write(tmp_path / "own.csv", rows), catalogue).ratings
    named = [line.partition(":")[0] for line in invalid_lines(ratings.invalid)]
    assert named == ["row 2, date_v3", "row 3, srs2_v4", "row 3, date_v5"]
    assert ratings.unread == 3


def test_marks_of_one_session_alone_are_read_where_they_are_named(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    given = {f"item_{item}": f"srs{item}_v2" for item in range(1, 5)} | {"session_at": "date_v2"}
    reading = read_ratings_table(_write(tmp_path / "own.csv", _wide()), catalogue, ReadingOptions(given))
    assert [row.body["items"] for row in reading.ratings.rows] == [
        [_mark(client, 2, item) for item in range(1, 5)] for client in range(1, CLIENTS + 1)
    ]


def _without(*names: str) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name not in names} for row in _wide()]


def _backwards() -> list[dict[str, str]]:
    return [row | {"date_v1": row["date_v6"], "date_v6": row["date_v1"]} for row in _wide()]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (_without("srs3_v5"), "not each session has the same columns: see srs3_v1"),
        (_without(*(f"date_v{v}" for v in range(1, 7))), r"6 sessions \(srs1_v1 …, srs1_v6 …\)\. Write one"),
        (_without("date_v6"), "the dates date_v1 … date_v5 are not those of the same sessions"),
        (_backwards(), "of the 13 dates in date_v1 … date_v6 are before that of the session before"),
        (_wide("srs1_1", 4), r"which number in the columns' names \(srs1_1 …\) is that of the session"),
    ],
    ids=["item missing", "no dates", "date missing", "order", "either number"],
)
def test_what_cannot_be_told_is_refused_with_what_to_do(
    rows: list[dict[str, str]], message: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(UnclearTable, match=message):
        read_ratings_table(_write(tmp_path / "own.csv", rows), catalogue)


def test_other_columns_that_repeat_do_not_make_a_row_several_sessions(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    rows = [
        {"Client": "K1", "Date": _day(1, session), **{f"SRS{item}": "9" for item in range(1, 5)}}
        | {f"{what}{n}": value for n in (1, 2) for what, value in
           (("med_date_", _day(1, n)), ("med_mg_", "5"), ("med_times_", "3"))}
        for session in range(1, 4)
    ]  # fmt: skip
    reading = read_ratings_table(_write(tmp_path / "own.csv", rows), catalogue)
    assert (len(reading.ratings.rows), reading.table.occasions) == (3, None)
