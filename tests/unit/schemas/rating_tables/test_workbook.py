"""Workbooks are read like the CSV that their program would write; of several sheets one must be named."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from zipfile import ZipFile

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import ReadingOptions, read_mapping, write_mapping
from schemas.rating_tables.table import read_table
from schemas.rating_tables.table_errors import UnclearTable, UnusableTable
from schemas.rating_tables.workbook_errors import error_cells
from tests.support.schemas.workbooks import ErrorCell, FormulaCell, Rows, Sheets, write_ods, write_xlsx

HEAD = ("Patient", "Datum", "SRS1", "SRS2", "SRS3", "SRS4")
ROWS: Rows = [
    HEAD,
    (101.0, "2025-03-04", 9.0, 8.5, 9.1, None),
    (None,) * 6,
    (101.0, "2025-03-11", 7.0, 7.5, 8.0, 8.0),
]
Write = Callable[[Path, Sheets], Path]
BOTH = pytest.mark.parametrize("write", [write_xlsx, write_ods], ids=["xlsx", "ods"])


@BOTH
def test_cells_are_those_of_a_csv_with_the_numbers_of_the_sheets_rows(write: Write, tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "book", {"Ratings": ROWS}))
    assert (table.header, table.written) == (HEAD, "sheet Ratings of a workbook")
    assert [(line.number, tuple(line.cells.values())) for line in table.lines] == [
        (2, ("101", "2025-03-04", "9", "8.5", "9.1", "")),
        (4, ("101", "2025-03-11", "7", "7.5", "8", "8")),
    ]


@BOTH
def test_of_several_sheets_one_is_asked_for_and_the_mapping_keeps_it(
    write: Write, catalogue: Catalogue, tmp_path: Path
) -> None:
    file = write(tmp_path / "book", {"Notes": [("a", "b")], "Empty": [], "Ratings": ROWS})
    with pytest.raises(UnclearTable, match=r"several sheets: Notes, Ratings\..*--sheet NAME"):
        read_ratings_table(file, catalogue)
    first = read_ratings_table(file, catalogue, ReadingOptions(sheet="Ratings"))
    write_mapping(first.mapping(), tmp_path / "practice.toml")
    second = read_ratings_table(file, catalogue, read_mapping(tmp_path / "practice.toml"))
    assert [row.body["items"] for row in second.ratings.rows] == [[9, 8.5, 9.1, None], [7, 7.5, 8, 8]]


@BOTH
def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UnclearTable, match=r"no sheet Other\. Its sheets: Ratings"):
        read_table(write(tmp_path / "book", {"Ratings": ROWS}), "Other")


def test_a_date_that_is_not_formatted_as_one_is_a_number_of_days(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    rows: Rows = [HEAD, (101.0, 45664.0, 9.0, 8.5, 9.1, 9.0), (101.0, 45671.5, 9.0, 8.5, 9.1, 9.0)]
    reading = read_ratings_table(write_xlsx(tmp_path / "book.xlsx", {"Ratings": rows}), catalogue)
    assert [row.body["session_at"] for row in reading.ratings.rows] == [
        "2025-01-07T00:00:00+00:00",
        "2025-01-14T12:00:00+00:00",
    ]


def test_numbers_are_no_dates_where_the_name_does_not_say_so(catalogue: Catalogue, tmp_path: Path) -> None:
    rows: Rows = [("Patient", "Chart", *HEAD[2:]), (101.0, 45664.0, 9.0, 8.5, 9.1, 9.0)]
    with pytest.raises(UnclearTable, match="No column was found for session_at"):
        read_ratings_table(write_xlsx(tmp_path / "book.xlsx", {"Ratings": rows}), catalogue)


@pytest.mark.parametrize(
    ("sheets", "said"),
    [({"Ratings": []}, "the sheet is empty"), ({"R": [("a", "a"), ("1", "2")]}, "row 1: two columns .* a;")],
    ids=["empty", "a name twice"],
)
def test_an_unusable_sheet_is_refused(sheets: Sheets, said: str, tmp_path: Path) -> None:
    with pytest.raises(UnusableTable, match=said):
        read_table(write_xlsx(tmp_path / "book.xlsx", sheets))


def test_another_file_that_begins_like_a_workbook_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "own.xlsx").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(UnusableTable, match=r"cannot be opened as one .*CSV UTF-8"):
        read_table(tmp_path / "own.xlsx")


def test_names_under_merged_cells_are_joined_to_those(catalogue: Catalogue, tmp_path: Path) -> None:
    rows: Rows = [
        ("Patient", "Datum", "ORS", None, None, None, "SRS", None, None, None),
        (None, None, *("1", "2", "3", "4") * 2),
        ("P1", "2025-03-04", 4.0, 5.5, 6.1, 5.0, 9.0, 8.5, 9.1, 8.8),
    ]
    merged = ("A1:A2", "B1:B2", "C1:F1", "G1:J1")
    book = write_xlsx(tmp_path / "book.xlsx", {"Ratings": rows}, merged=merged)
    assert read_table(book).header == (
        "Patient", "Datum", "ORS 1", "ORS 2", "ORS 3", "ORS 4", "SRS 1", "SRS 2", "SRS 3", "SRS 4",
    )  # fmt: skip
    found = read_ratings_table(book, catalogue).ratings.rows
    assert [(row.body["instrument"], row.body["items"]) for row in found] == [
        ("srs", [9, 8.5, 9.1, 8.8]),
        ("ors", [4, 5.5, 6.1, 5]),
    ]


def test_a_title_that_is_merged_over_the_table_is_no_name(tmp_path: Path) -> None:
    rows: Rows = [("Ratings of 2025", *(None,) * 5), *ROWS]
    table = read_table(write_xlsx(tmp_path / "book.xlsx", {"Ratings": rows}, merged=("A1:F1",)))
    assert (table.header, table.titles) == (HEAD, (1,))


def test_a_client_that_is_merged_over_several_rows_is_that_of_each(tmp_path: Path) -> None:
    rows: Rows = [HEAD, ROWS[1], (None, *ROWS[3][1:])]
    table = read_table(write_xlsx(tmp_path / "book.xlsx", {"Ratings": rows}, merged=("A2:A3",)))
    assert table.column("Patient") == ["101", "101"]


def test_merged_cells_among_the_rows_are_values_and_those_beside_the_table_nothing(tmp_path: Path) -> None:
    rows: Rows = [HEAD, (101.0, "2025-02-25", "cancelled", None, None, None), ROWS[3], ROWS[1]]
    table = read_table(write_xlsx(tmp_path / "book.xlsx", {"Ratings": rows}, merged=("C2:F2", "K1:K9")))
    assert table.header == HEAD
    assert [tuple(line.cells.values()) for line in table.lines] == [
        ("101", "2025-02-25", "cancelled", "", "", ""),
        ("101", "2025-03-11", "7", "7.5", "8", "8"),
        ("101", "2025-03-04", "9", "8.5", "9.1", ""),
    ]


def test_a_cell_with_an_error_is_not_empty(catalogue: Catalogue, tmp_path: Path) -> None:
    rows: Rows = [
        HEAD,
        *((101.0, f"2025-03-{day:02}", 9.0, 8.5, 9.1, 9.0) for day in range(1, 9)),
        (101.0, "2025-03-11", 7.0, ErrorCell("#DIV/0!"), 8.0, ErrorCell("#N/A")),
    ]
    book = write_xlsx(tmp_path / "book.xlsx", {"Other": [], "Ratings": rows})
    found = read_ratings_table(book, catalogue).ratings
    assert [(cell.row, cell.column, cell.message) for cell in found.invalid] == [
        (10, "SRS2", "is not a number")
    ]


def test_an_ods_with_an_error_is_refused_because_its_place_is_not_known(tmp_path: Path) -> None:
    rows: Rows = [HEAD, (101.0, "2025-03-11", 7.0, ErrorCell("#DIV/0!"), 8.0, 9.0)]
    with pytest.raises(UnusableTable, match=r"hold an error such as #N/A .* Correct or empty them"):
        read_table(write_ods(tmp_path / "book.ods", {"Ratings": rows}))


@pytest.mark.parametrize("write", [write_xlsx, write_ods])
def test_formulas_without_results_are_not_read_as_unanswered(tmp_path: Path, write: Write) -> None:
    rows: Rows = [HEAD, (101.0, "2025-03-11", 7.0, FormulaCell("E2"), 8.0, 9.0)]
    with pytest.raises(UnusableTable, match=r"formulas whose results are not in the file.* and save it"):
        read_table(write(tmp_path / "book", {"Ratings": rows}))


@pytest.mark.parametrize(
    ("cell", "has_result"),
    [
        ('<c r="A1"><f>B1</f><v>9</v></c>', True),
        ('<c r="A1"><f>B1</f><v>0</v></c>', True),
        ('<c r="A1" t="str"><f>""</f><v></v></c>', True),
        ('<c r="A1"><f>B1</f></c>', False),
        ("<c><f>B1</f></c>", False),
        ('<c r="A1" s="3"><f t="shared" si="0"/><v></v></c>', False),
        ('<x:c r="A1"><x:f>B1&amp;C1</x:f><x:v/></x:c>', False),
    ],
)
def test_a_result_that_is_an_empty_text_is_one(tmp_path: Path, cell: str, *, has_result: bool) -> None:
    book = _with_cell(tmp_path, cell)
    refused = nullcontext() if has_result else pytest.raises(UnusableTable, match="formulas whose results")
    with book.open("rb") as written, refused:
        assert error_cells(written, book, "Ratings") == {}


@pytest.mark.parametrize(("result", "refused"), [("0", True), ("0.0", True), ("", True), ("9", False)])
def test_a_zero_that_stands_for_every_result_is_none(tmp_path: Path, result: str, *, refused: bool) -> None:
    cell = f'<c r="A1"><f>B1</f><v>{result}</v></c>'
    book = _with_cell(tmp_path, cell, '<calcPr calcId="124519" fullCalcOnLoad="1"/>')
    with (
        book.open("rb") as written,
        pytest.raises(UnusableTable, match="unanswered or as 0") if refused else nullcontext(),
    ):
        assert error_cells(written, book, "Ratings") == {}


def test_an_error_in_a_cell_without_a_place_is_refused(tmp_path: Path) -> None:
    book = _with_cell(tmp_path, '<c t="e"><v>#DIV/0!</v></c>')
    with book.open("rb") as written, pytest.raises(UnusableTable, match="Correct or empty them"):
        error_cells(written, book, "Ratings")


def _with_cell(folder: Path, cell: str, after_sheets: str = "") -> Path:
    """Write a workbook whose one sheet holds this cell, as XML."""
    book = write_xlsx(folder / "book.xlsx", {"Ratings": [("name",)]})
    with ZipFile(book) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = f"<worksheet><row>{cell}</row></worksheet>".encode()
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace(
        b"</workbook>", f"{after_sheets}</workbook>".encode()
    )
    with ZipFile(book, "w") as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return book
