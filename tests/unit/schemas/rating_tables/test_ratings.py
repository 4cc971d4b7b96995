"""Rows without a session id are told apart, and words for a status that are not known are listed."""

from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.description import doubts
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.table_errors import UnclearTable

HEAD = "Client,Therapist,Date,Status,Modified,SRS1,SRS2,SRS3,SRS4"


def _read(file: Path, catalogue: Catalogue, *rows: str, head: str = HEAD) -> TableReading:
    """Read rows, and after them one of another day: without it the date would be that of a case."""
    other = "k1,t1,2025-04-01,,,8,8,8,8" + ",s9" * head.endswith("Session")
    file.write_text("\n".join([head, *rows, other]) + "\n", encoding="utf-8")
    return read_ratings_table(file, catalogue)


def _sessions(reading: TableReading) -> list[object]:
    return [row.body["session_id"] for row in reading.ratings.rows]


def test_two_forms_of_a_day_are_two_sessions_and_a_copy_is_a_copy(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    reading = _read(
        tmp_path / "own.csv",
        catalogue,
        "k1,t1,2025-03-04,,,9,9,9,8.5",
        "k1,t1,2025-03-04,,,7,7,7,7",
        "k1,t1,2025-03-04,,,7,7,7,7",
        "k2,t1,2025-03-04,,,7,7,7,7",
    )
    day = "2025-03-04T00:00:00+00:00"
    assert _sessions(reading)[:-1] == [day, f"{day}-2", f"{day}-2", day]
    assert doubts(reading)[-1].startswith("please check: 1 rows are taken for further sessions")


def test_rows_with_the_time_of_their_change_are_versions_of_one_session(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    reading = _read(
        tmp_path / "own.csv",
        catalogue,
        "k1,t1,2025-03-04,,2025-03-04T12:00:00,9,9,9,8.5",
        "k1,t1,2025-03-04,,2025-03-05T12:00:00,7,7,7,7",
    )
    assert len(set(_sessions(reading)[:-1])) == 1


def test_a_second_form_at_the_same_time_of_day_corrects_the_first(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    reading = _read(
        tmp_path / "own.csv",
        catalogue,
        "k1,t1,2025-03-04 10:30,,,9,9,9,8.5",
        "k1,t1,2025-03-04 10:30,,,7,7,7,7",
    )
    assert len(set(_sessions(reading)[:-1])) == 1


def test_a_session_with_an_id_keeps_it(catalogue: Catalogue, tmp_path: Path) -> None:
    reading = _read(
        tmp_path / "own.csv",
        catalogue,
        "k1,t1,2025-03-04,,,9,9,9,8.5,s1",
        "k1,t1,2025-03-04,,,7,7,7,7,s2",
        head=f"{HEAD},Session",
    )
    assert _sessions(reading) == ["s1", "s2", "s9"]


def test_words_for_a_status_that_are_not_known_are_listed(catalogue: Catalogue, tmp_path: Path) -> None:
    reading = _read(
        tmp_path / "own.csv",
        catalogue,
        "k1,t1,2025-03-04,Show,,9,9,9,8.5",
        "k1,t1,2025-03-11,Group,,9,9,9,8.5",
        "k1,t1,2025-03-18,Late Cancelled,,,,,",
    )
    assert reading.ratings.unknown_statuses == {"Group": 1}
    assert [row.body.get("status") for row in reading.ratings.rows] == [None, None, "cancelled", None]
    assert "status not known: Group in 1 rows, whose appointments count as held" in doubts(reading)


NAMES = "Client,Therapist,Date"
DAYS = ("2025-03-04", "2025-03-11", "2025-03-18")


@pytest.mark.parametrize(
    ("columns", "cells", "cure"),
    [
        ("wai_sr_1,wai_sr_2", "often,always", r"wai_sr_1 … wai_sr_2 hold words .*Export the codes"),
        ("Alliance Score", "83", r"Alliance Score seems to hold one total .*export the marks of the items"),
        ("wai_s1,wai_s2,wai_s3", "48,50,53", r"wai_s1 … wai_s3 seem to hold one total for each session"),
    ],
    ids=["words", "one total", "a total for each session"],
)
def test_what_is_no_mark_is_refused_with_what_to_export(
    columns: str, cells: str, cure: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "own.csv"
    rows = [f"k1,t1,{day},{cells}" for day in DAYS]
    file.write_text("\n".join([f"{NAMES},{columns}", *rows]) + "\n")
    with pytest.raises(UnclearTable, match=cure):
        read_ratings_table(file, catalogue)


def test_an_item_that_nobody_answered_keeps_its_place(tmp_path: Path, catalogue: Catalogue) -> None:
    file = tmp_path / "own.csv"
    file.write_text("Client,Date,SRS1,SRS2,SRS3,SRS4\nK1,2025-01-07,9,8.5,,9\nK1,2025-01-14,8,8,,10\n")
    reading = read_ratings_table(file, catalogue)
    assert [row.body["items"] for row in reading.ratings.rows] == [[9, 8.5, None, 9], [8, 8, None, 10]]


@pytest.mark.parametrize("mark", ["inf", "-Infinity", "1e999"])
def test_a_mark_without_end_is_an_invalid_cell(mark: str, tmp_path: Path, catalogue: Catalogue) -> None:
    rows = [f"K1,2025-01-{day:02},9,8,8,9" for day in (7, 14, 21, 28)]
    file = tmp_path / "own.csv"
    file.write_text("\n".join(["Client,Date,SRS1,SRS2,SRS3,SRS4", f"K1,2025-01-02,{mark},8,8,9", *rows]))
    reading = read_ratings_table(file, catalogue)
    assert [(cell.row, cell.column) for cell in reading.ratings.invalid] == [(2, "SRS1")]


def test_a_session_id_under_its_documented_name_is_read_beside_the_other_documented_columns(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    file = tmp_path / "own.csv"
    rows = [f"k1,t1,s1,2025-03-04T09:00:00Z,{form}" for form in ("srs,9,9,9,9", "wai-sr" + ",4" * 12)]
    header = "client_id,therapist_id,session_id,session_at,instrument," + ",".join(
        f"item_{n}" for n in range(1, 13)
    )
    file.write_text("\n".join([header, rows[0] + "," * 8, rows[1]]) + "\n", encoding="utf-8")
    reading = read_ratings_table(file, catalogue)
    assert _sessions(reading) == ["s1", "s1"]
    assert reading.columns.doubts == ()


def test_an_episode_of_care_is_a_case(catalogue: Catalogue, tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    rows = [f"k1,E{1 + number // 3},2025-03-0{number + 1},9,9,9,8" for number in range(6)]
    file.write_text("\n".join(["Client,care_episode_id,Date,SRS1,SRS2,SRS3,SRS4", *rows]) + "\n")
    reading = read_ratings_table(file, catalogue)
    assert [row.body["case_id"] for row in reading.ratings.rows] == ["E1"] * 3 + ["E2"] * 3


def test_rows_without_a_date_and_a_mark_are_left_out_and_counted(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    reading = _read(
        tmp_path / "own.csv",
        catalogue,
        "k1,t1,2025-03-04,,,9,9,9,8.5",
        "k1,t1,[not completed],,,,,,",
        "k1,t1,,,,,,,",
        "k1,t1,[not completed],,,9,,,",
        "k1,t1,,declined,,,,,",
        "k1,t1,2025-03-11,,,,,,",
    )
    assert "left out: 2 rows without a date and a mark" in doubts(reading)
    assert [cell.row for cell in reading.ratings.invalid] == [5, 6]
    assert [row.number for row in reading.ratings.rows] == [2, 7, 8]
    assert reading.ratings.dated == 3
