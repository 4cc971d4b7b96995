"""A practice's own table gets the documented form with the same ratings, row by row."""

from pathlib import Path

import pytest

from schemas.csv_table import TableReader
from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.canonical_table import canonical_table, is_canonical
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import ReadingOptions
from schemas.rating_tables.table_errors import UnusableTable
from schemas.ratings_csv import RatingRow, read_rows
from tests.support.schemas.exports import Export

HEAD = "client_id,therapist_id,session_id,session_at,instrument"


def _rows(file: Path, catalogue: Catalogue) -> list[RatingRow]:
    return list(read_rows(TableReader(file), catalogue.item_counts()))


def test_the_copy_has_the_same_ratings_with_the_numbers_of_the_practices_rows(
    export: Export, catalogue: Catalogue
) -> None:
    with canonical_table(export.own, catalogue) as table:
        copied = _rows(table.file, catalogue)
        place = table.file
    assert [row.body for row in copied] == [row.body for row in _rows(export.canonical, catalogue)]
    assert [row.number for row in copied[:3]] == [2, 4, 6]
    assert not place.exists()


def test_declined_forms_scores_and_several_questionnaires_keep_their_content(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    names = "client_id;therapist_id;session_id;session_at;instrument;status;case_id"
    marks = ["4"] * 12
    file = tmp_path / "own.csv"
    file.write_text(
        "\n".join(
            [
                ";".join([names, *(f"item_{n}" for n in range(1, 13)), "bond;goal;task"]),
                ";".join(["c1;t1;s1;2025-01-02T09:00:00+01:00;wai-sr;;a", *marks, ";;"]),
                ";".join(
                    ["c1;t1;s2;2025-01-09T09:00:00+01:00;srs;;", "9", "8.5", "", *["9"] * 1, *[""] * 8, ";;"]
                ),
                ";".join(["c1;t1;s3;2025-01-16T09:00:00+01:00;srs;;", *[""] * 12, ";;"]),
                ";".join(["c1;t1;s4;2025-01-23T09:00:00+01:00;srs;withdrawn;", *[""] * 12, ";;"]),
            ]
        )
        + "\n"
    )
    reading = read_ratings_table(file, catalogue)
    assert reading.ratings.invalid == ()
    with canonical_table(file, catalogue) as table:
        assert _rows(table.file, catalogue) == list(reading.ratings.rows)
    assert [row.body.get("status") for row in reading.ratings.rows] == [None, None, "declined", "withdrawn"]


@pytest.mark.parametrize(
    ("head", "row", "canonical"),
    [
        (f"{HEAD},item_1,remarks", "c,t,s,2025-01-02T09:00:00Z,srs,9,x", True),
        (f"{HEAD},bond,goal,task", "c,t,s,2025-01-02T09:00:00Z,srs,,,9", True),
        (f"{HEAD},item_1", 'c,t,s,2025-01-02T09:00:00Z,srs,"9', True),
        (f"{HEAD},item_1", "c,t,s,2025-01-02T09:00:00Z,srs,8,2", True),
        (f"{HEAD},srs1,srs2,srs3,srs4", "c,t,s,2025-01-02T09:00:00Z,srs,9,9,9,9", False),
        (f"{HEAD},item_1", "c,t,s,02.01.2025,srs,9", False),
        (f"{HEAD},item_1".replace(",", ";"), "c;t;s;2025-01-02T09:00:00Z;srs;9", False),
        ("client,date,item_1", "c,2025-01-02T09:00:00Z,9", False),
    ],
    ids=[
        "other columns",
        "scores",
        "a broken row",
        "a wide row",
        "other marks",
        "dates",
        "semicolons",
        "names",
    ],
)
def test_the_documented_form_is_told_from_others(
    head: str, row: str, *, canonical: bool, tmp_path: Path
) -> None:
    file = tmp_path / "table.csv"
    file.write_text(f"{head}\n{row}\n")
    assert is_canonical(file) is canonical


def test_a_reference_that_looks_like_a_name_is_an_invalid_cell(export: Export, catalogue: Catalogue) -> None:
    text = export.own.read_text(encoding="cp1252")
    export.own.write_text(text.replace(";T1;", ";Dr. Ü;"), encoding="cp1252")
    reading = read_ratings_table(export.own, catalogue)
    assert {(cell.column, cell.message) for cell in reading.ratings.invalid} == {
        ("Behandler", "contains white space")
    }
    replaced = read_ratings_table(export.own, catalogue, ReadingOptions(replace_references=True))
    assert replaced.ratings.invalid == ()


def test_a_row_that_does_not_fit_is_named(export: Export, catalogue: Catalogue) -> None:
    with export.own.open("a", encoding="cp1252") as lines:
        lines.write("K9;T1;1;13.02.2025;8;2;8;2;8;2;8;2;x\n")
    with pytest.raises(UnusableTable, match=r"line 56: the row has 13 cells under 9 columns"):
        read_ratings_table(export.own, catalogue)
