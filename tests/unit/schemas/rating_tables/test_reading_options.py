"""A mapping file keeps how an export was read; another export of the same columns is read in the same way."""

from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import ReadingOptions, read_mapping, write_mapping
from schemas.rating_tables.table_errors import UnusableTable
from tests.support.schemas.exports import COLUMNS, Export


def test_what_was_guessed_once_is_given_the_next_time(
    export: Export, catalogue: Catalogue, tmp_path: Path
) -> None:
    first = read_ratings_table(export.own, catalogue)
    write_mapping(first.mapping(), tmp_path / "practice.toml")
    second = read_ratings_table(export.own, catalogue, read_mapping(tmp_path / "practice.toml"))
    assert second.ratings.rows == first.ratings.rows
    assert {match.certainty for match in second.columns.matches} == {"given"}
    assert read_mapping(tmp_path / "practice.toml") == second.mapping() == first.mapping()


def test_the_order_of_dates_is_kept_where_a_small_export_would_be_read_otherwise(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    head, marks = "Client,Date,SRS1,SRS2,SRS3,SRS4", "9,9,8.5,9"
    first, next_ = tmp_path / "first.csv", tmp_path / "next.csv"
    first.write_text(f"{head}\nc1,3/4/2025,{marks}\nc1,3/20/2025,{marks}\n")
    next_.write_text(f"{head}\nc1,4/3/2025,{marks}\n")
    mapping = read_ratings_table(first, catalogue, ReadingOptions(therapist="t1")).mapping()
    write_mapping(mapping, tmp_path / "practice.toml")
    options = read_mapping(tmp_path / "practice.toml")
    (row,) = read_ratings_table(next_, catalogue, options).ratings.rows
    assert (row.body["session_at"], row.body["therapist_id"]) == ("2025-04-03T00:00:00+00:00", "t1")


def test_other_columns_are_an_error_that_names_what_differs(
    export: Export, catalogue: Catalogue, tmp_path: Path
) -> None:
    write_mapping(read_ratings_table(export.own, catalogue).mapping(), tmp_path / "practice.toml")
    text = export.own.read_text(encoding="cp1252")
    export.own.write_text(text.replace(COLUMNS, COLUMNS.replace("SRS4", "SRS 4")), encoding="cp1252")
    with pytest.raises(UnusableTable, match=r"it lacks SRS4; it also has SRS 4\. Look at it with"):
        read_ratings_table(export.own, catalogue, read_mapping(tmp_path / "practice.toml"))


def test_columns_in_another_order_are_the_same_columns(
    export: Export, catalogue: Catalogue, tmp_path: Path
) -> None:
    first = read_ratings_table(export.own, catalogue)
    write_mapping(first.mapping(), tmp_path / "practice.toml")
    lines = export.own.read_text(encoding="cp1252").replace("\nund mehr", "").splitlines()
    turned = "\n".join(";".join(reversed(line.split(";"))) for line in lines)
    export.own.write_text(turned + "\n", encoding="cp1252")
    second = read_ratings_table(export.own, catalogue, read_mapping(tmp_path / "practice.toml"))
    assert [row.body for row in second.ratings.rows] == [row.body for row in first.ratings.rows]


def test_names_with_any_character_are_kept(tmp_path: Path) -> None:
    odd = 'a "b"\\\x7f\tü\n#'
    options = ReadingOptions(
        fields={"client_id": odd}, header=(odd, "x=1"), dates="year, month, day", therapist=odd
    )
    write_mapping(options, tmp_path / "practice.toml")
    assert read_mapping(tmp_path / "practice.toml") == options


@pytest.mark.parametrize("text", ["columns = [", 'columns = ["a"]\nfields = {}\ndates = "soon"', "x = 1"])
def test_another_file_is_no_mapping_and_the_message_says_how_to_get_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "practice.toml").write_text(text)
    with pytest.raises(UnusableTable, match=r"is no mapping file.*--write-mapping practice\.toml"):
        read_mapping(tmp_path / "practice.toml")
