"""Titles above the names of the columns and lines that describe them are no rows, and are named."""

from pathlib import Path

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.description import described
from schemas.rating_tables.reading import TableReading, read_ratings_table
from schemas.rating_tables.table import read_table
from schemas.rating_tables.table_errors import UnusableTable
from tests.support.schemas.workbooks import write_xlsx

HEAD = ["Client", "Date", "SRS1", "SRS2", "SRS3", "SRS4"]
ROWS = [
    ["K1", "2025-03-04", "9", "8.5", "9.1", "9"],
    ["K1", "2025-03-11", "8", "", "8.8", "9"],
    ["K2", "2025-03-05", "7", "7.5", "8", "8"],
    ["K2", "2025-03-12", "", "", "", ""],
    ["K2", "2025-03-19", "7", "7", "8", "10"],
]
READ = [[9, 8.5, 9.1, 9], [8, None, 8.8, 9], [7, 7.5, 8, 8], None, [7, 7, 8, 10]]
TITLES = [["Session ratings"], [], ["Practice", "North"], ["Exported on", "2025-04-01"], []]
DESCRIPTIONS = {
    "labels": [["Client of the practice", "Day of session", "Line 1", "Line 2", "Line 3", "Line 4"]],
    "qualtrics": [
        ["Please enter", "Recorded", *(f"Line {n}" for n in range(1, 5))],
        [f'{{"ImportId":"QID{n}"}}' for n in range(1, 7)],
    ],
    "two lines": [["", "Visit", "Alliance", "", "", ""], ["id", "day", "line", "line", "line", "line"]],
}


def _write(file: Path, rows: list[list[str]], *, before: str = "", separator: str = ";") -> Path:
    text = "\r\n".join(
        separator.join('"' + c.replace('"', '""') + '"' if '"' in c else c for c in row) for row in rows
    )
    file.write_text(before + text + "\r\n", encoding="utf-8", newline="")
    return file


def _marks(reading: TableReading) -> list[object]:
    return [row.body.get("items") for row in reading.ratings.rows]


@pytest.mark.parametrize("padded", [False, True], ids=["short", "padded"])
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
@pytest.mark.parametrize("named", [False, True], ids=["", "sep="])
def test_titles_above_the_header_are_passed_over_and_named(
    separator: str, *, named: bool, padded: bool, catalogue: Catalogue, tmp_path: Path
) -> None:
    titles = [row + [""] * (len(HEAD) - len(row)) for row in TITLES] if padded else TITLES
    before = f"sep={separator}\r\n" if named else ""
    file = _write(tmp_path / "own.csv", [*titles, HEAD, *ROWS], before=before, separator=separator)
    reading = read_ratings_table(file, catalogue)
    above = len(TITLES) + named
    assert _marks(reading) == READ
    assert [row.number for row in reading.ratings.rows] == list(range(above + 2, above + 7))
    assert f"passed over: lines 1 to {above}, above the names of the columns" in described(reading)


def test_a_row_that_does_not_fit_is_named_by_its_line_in_the_file(tmp_path: Path) -> None:
    file = _write(tmp_path / "own.csv", [*TITLES, HEAD, *ROWS, ["K2", "x"]])
    with pytest.raises(UnusableTable, match=r"line 12: the row has 2 cells under 6 columns"):
        read_table(file)


def test_a_first_line_that_names_the_separator_decides(tmp_path: Path) -> None:
    # Commas would fit, too: each row has two of them.
    rows = [["Client", "Date", "Notes, all", "srs, 1", "srs_2"], ["K1", "2025-03-04", "a,b,c", "9", "8"]]
    table = read_table(_write(tmp_path / "own.csv", rows, before="sep=;\n"))
    assert (table.header, table.titles) == (tuple(rows[0]), (1,))
    with pytest.raises(
        UnusableTable, match=r"its first line says that # separates the cells\. Save it with one"
    ):
        read_table(_write(tmp_path / "other.csv", rows, before="sep=#\n", separator="#"))


def test_a_table_without_a_header_is_not_read_as_if_its_first_row_were_one(tmp_path: Path) -> None:
    file = _write(tmp_path / "own.csv", [["Title", "x"], *ROWS[:3]], separator=",")
    with pytest.raises(UnusableTable, match=r"line 2: the row has 6 cells under 2 columns"):
        read_table(file)


@pytest.mark.parametrize("kind", DESCRIPTIONS)
def test_lines_that_describe_the_columns_are_passed_over_and_named(
    kind: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    lines = DESCRIPTIONS[kind]
    reading = read_ratings_table(_write(tmp_path / "own.csv", [HEAD, *lines, *ROWS]), catalogue)
    assert _marks(reading) == READ
    assert reading.table.descriptions == tuple(range(2, 2 + len(lines)))
    assert any(line.startswith("passed over: line") for line in described(reading))


@pytest.mark.parametrize(
    "first",
    [
        ["K0", "2025-03-01", "good", "good", "good", "bad"],
        ["K0", "yesterday", "9", "9", "9", "9"],
        ["K0", "2025-03-01", "", "", "", ""],
        ["K0", "unknown", "", "", "", ""],
        ["K0", "n/a", "n/a", "n/a", "n/a", "n/a"],
    ],
)
def test_a_row_with_a_value_or_without_words_describes_nothing(first: list[str], tmp_path: Path) -> None:
    table = read_table(_write(tmp_path / "own.csv", [HEAD, first, *ROWS]))
    assert (table.descriptions, table.lines[0].number, len(table.lines)) == ((), 2, len(ROWS) + 1)


def test_a_workbook_has_titles_and_descriptions_too(catalogue: Catalogue, tmp_path: Path) -> None:
    rows: list[tuple[str | float | None, ...]] = [
        ("Session ratings", *[None] * 5),
        (None,) * 6,
        tuple(HEAD),
        *(tuple(line) for line in DESCRIPTIONS["labels"]),
        *(tuple(row) for row in ROWS),
    ]
    reading = read_ratings_table(write_xlsx(tmp_path / "own.xlsx", {"Ratings": rows}), catalogue)
    assert (reading.table.titles, reading.table.descriptions) == ((1,), (4,))
    assert _marks(reading) == READ


def test_unquoted_decimal_commas_are_named_as_what_they_are(tmp_path: Path) -> None:
    rows = [[cell.replace(".", ",") if place > 1 else cell for place, cell in enumerate(row)] for row in ROWS]
    marks = [[*row[:2], "8,5", "9,1", "7,0", "9,9"] for row in rows]
    file = _write(tmp_path / "own.csv", [HEAD, *marks], separator=",")
    with pytest.raises(UnusableTable, match=r"line 2: .* decimal commas, export it again with semicolons"):
        read_table(file)
    with pytest.raises(UnusableTable) as other:
        read_table(
            _write(
                tmp_path / "two.csv",
                [HEAD, *ROWS, ["K3", "2025-03-04", "9", "9", "8", "8", "7"]],
                separator=",",
            )
        )
    assert "decimal commas" not in str(other.value)


def test_a_cell_that_is_too_long_is_named_and_a_title_may_be_long(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    long = "x" * 200_000
    with pytest.raises(UnusableTable, match=r"line 1: a cell has more than 131072 characters"):
        read_table(_write(tmp_path / "own.csv", [[*HEAD, long], *ROWS]))
    assert _marks(read_ratings_table(_write(tmp_path / "two.csv", [[long], HEAD, *ROWS]), catalogue)) == READ


@pytest.mark.parametrize("rows", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["labels", "two labels", "qualtrics"])
def test_lines_that_describe_the_columns_of_few_rows_are_passed_over(
    rows: int, kind: str, catalogue: Catalogue, tmp_path: Path
) -> None:
    labels = DESCRIPTIONS["labels"]
    lines = {"two labels": [*labels, [f"{word}!" for word in labels[0]]]}.get(kind) or DESCRIPTIONS[kind]
    reading = read_ratings_table(_write(tmp_path / "own.csv", [HEAD, *lines, *ROWS[:rows]]), catalogue)
    assert _marks(reading) == READ[:rows]
    assert reading.table.descriptions == tuple(range(2, 2 + len(lines)))


@pytest.mark.parametrize("said", [["skipped"] * 4, ["line"] * 4])
def test_words_above_few_rows_that_may_be_a_row_are_named(
    said: list[str], catalogue: Catalogue, tmp_path: Path
) -> None:
    file = _write(tmp_path / "own.csv", [HEAD, ["K0", "unknown", *said], *ROWS[:2]])
    with pytest.raises(UnusableTable, match="Line 2 holds words where the rows under it hold numbers: if it"):
        read_ratings_table(file, catalogue)
