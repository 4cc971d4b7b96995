"""A table is read as it is meant, or refused with the line that is wrong."""

from pathlib import Path

import pytest

from schemas.csv_table import MisfitRow, TableReader, UnreadableTable, text_lines

FILE = Path("table.csv")


def _read(*lines: str, separator: str = ",") -> list[tuple[int, list[str]]]:
    table = TableReader(FILE, [f"{line}\n" for line in lines], separator=separator)
    return [(line, cells) for line, cells in table]


def _refused(*lines: str) -> str:
    with pytest.raises(UnreadableTable) as refused:
        _read(*lines)
    return str(refused.value)


def test_a_row_knows_its_first_line_and_blank_rows_are_left_out() -> None:
    rows = _read("a,b,c", "", " , ,", '1,"x', 'y",3', ",,,,,", "4,,", " ")
    assert rows == [(4, ["1", "x\ny", "3"]), (7, ["4", "", ""])]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path, line_end: str, encoding: str) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(line_end.join(["a,b", "1,é\x0b\x85\u2028", "3,4"]).encode(encoding))
    table = TableReader(file)
    assert table.header == ["a", "b"]
    assert list(table) == [(2, ["1", "é\x0b\x85\u2028"]), (3, ["3", "4"])]


def test_a_table_may_have_no_rows() -> None:
    assert _read("a,b") == []


@pytest.mark.parametrize(
    ("row", "count"), [("1,2,3,4", 4), ("1,2,3,", 4), ("1,2", 2), ("1", 1), ("9,7,5,8", 4)], ids=str
)
def test_a_row_has_a_cell_for_each_column(row: str, count: int) -> None:
    said = _refused("a,b,c", "1,2,3", "", row, "4,5,6")
    cells = "1 cell" if count == 1 else f"{count} cells"
    assert said.startswith(f"table.csv, line 4: the row has {cells} under 3 columns")


def test_the_rows_after_a_misfit_can_be_read() -> None:
    table = TableReader(FILE, ["a,b\n", "1,2,3\n", "4,5\n"])
    with pytest.raises(MisfitRow):
        next(table)
    assert next(table) == (3, ["4", "5"])


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["a,b", "1,2", '3,"4', "5,6", "7,8"], "line 3: a quotation mark opens here and is never closed"),
        (["a,b", '"1', '1","2', "3,4", "5,6"], "line 3: a quotation mark opens here and is never closed"),
        (["a,b", '1,"2"', '3,"4', '5,"6"'], "line 3: a quotation mark opens here and ends in the middle"),
        (["a,b", "1,2", '3,"4"5'], "line 3: a quotation mark opens here and ends in the middle"),
        (["a,b", "1,2", '4,"6', "7,8", '1,3"'], "line 3: a quotation mark opens here and swallows line 4"),
        (["a,b,c", '4,5,"6', '7,8,9"'], "line 2: a quotation mark opens here and swallows line 3"),
    ],
)  # fmt: skip
def test_a_quotation_mark_without_a_partner_is_named_by_its_line(lines: list[str], said: str) -> None:
    assert _refused(*lines).startswith(f"table.csv, {said}")


def test_text_in_quotation_marks_may_have_lines_separators_and_quotation_marks() -> None:
    rows = _read("a,note,c", '1,"so, she said: ""no"",', 'and left",3', '"4', '4",5,6')
    assert [row for _, row in rows] == [["1", 'so, she said: "no",\nand left', "3"], ["4\n4", "5", "6"]]


def test_a_cell_without_end_is_an_error_in_a_long_table_too() -> None:
    said = _refused("a,b", "1,2", '3,"4', *["5,6" * 10] * 10_000)
    assert said.startswith("table.csv, line 3: a cell has more than 131072 characters")


def test_a_nul_character_is_named_by_its_line() -> None:
    assert _refused("a,b", "1,2", "3,\0").startswith("table.csv, line 3: there is a NUL character")


@pytest.mark.parametrize(
    ("content", "line", "said"),
    [
        ("a,b\n1,é\n".encode("utf-16"), 1, "the file is in UTF-16"),
        ("a,b\n1,2\n".encode("utf-16-le"), 1, "there is a NUL character"),
        ("a,b\n1,2\n3,é\n".encode("latin-1"), 3, "a character is not in UTF-8"),
        (b"a,b\n" + b"1,2\n" * 5_000 + b"3,\xff\n", 5_002, "a character is not in UTF-8"),
    ],
    ids=["UTF-16", "UTF-16 without a mark", "Latin-1", "far behind"],
)
def test_another_encoding_is_named(tmp_path: Path, content: bytes, line: int, said: str) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(content)
    with pytest.raises(UnreadableTable, match=f"table.csv, line {line}: {said}"):
        list(TableReader(file))


def test_lines_that_are_no_table_are_read_in_the_same_encodings(tmp_path: Path) -> None:
    file = tmp_path / "lines.ndjson"
    file.write_bytes('{"a": "é"}\n'.encode("utf-8-sig"))
    assert list(text_lines(file)) == ['{"a": "é"}\n']
    file.write_bytes('{}\n{"a": "é"}\n'.encode("cp1252"))
    with pytest.raises(UnreadableTable, match=r"lines.ndjson, line 2: a character is not in UTF-8"):
        list(text_lines(file))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("", "the first line must name the columns"),
        (" , ", "the first line must name the columns"),
        ("a,b,a", "two columns have the same name: a"),
        ("a;b;c", "the columns are separated by semicolons: save the table with commas"),
        ("a\tb", "the columns are separated by tabs: save the table with commas"),
    ],
    ids=repr,
)
def test_the_header_names_every_column_once(header: str, said: str) -> None:
    assert _refused(header, "1,2,3").startswith(f"table.csv, line 1: {said}")


def test_an_empty_file_has_no_header() -> None:
    with pytest.raises(UnreadableTable, match="line 1: the first line must name the columns"):
        TableReader(FILE, [])


def test_a_missing_column_is_named() -> None:
    with pytest.raises(UnreadableTable, match="line 1: the table lacks the columns c, d"):
        TableReader(FILE, ["a,b\n"]).require(["a", "c", "d"])


def test_another_separator_may_be_expected() -> None:
    assert _read("a;b", "7,5;8", separator=";") == [(2, ["7,5", "8"])]
