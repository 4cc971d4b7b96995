"""Reads a text file of a spreadsheet or a program: its encoding, its separator, and its header."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from schemas.csv_table import SEPARATOR_NAMES, TableReader, TableRow, UnreadableTable, cells_of
from schemas.rating_tables.header_place import MOST_TITLES, header_place
from schemas.rating_tables.table_errors import UnusableTable

_SAMPLE_LINES = 50
_SAMPLE_BYTES = 2_000
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*')
"""The first line with which Excel says what separates the cells; Excel shows no such row."""
_HALVED_NUMBER = re.compile(r"\d+,\d+")


@dataclass(frozen=True, slots=True)
class TextRows:
    """The rows of a text file."""

    header: list[str]
    rows: list[TableRow]
    titles: range
    """The numbers of the lines above the header."""
    separator: str

    @property
    def separated_by(self) -> str:
        """Return what separates the cells, in words."""
        return SEPARATOR_NAMES[self.separator]


def decode(content: bytes) -> tuple[str, str]:
    """Return the text of a file, and its encoding in words."""
    if content.startswith(_BOMS):
        return content.decode("utf-16"), "UTF-16"
    unmarked = _utf16_without_mark(content[:_SAMPLE_BYTES])
    try:
        if unmarked is not None:
            return content.decode(unmarked), "UTF-16"

        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        # Spreadsheets on Windows write this encoding by default.
        return content.decode("cp1252", errors="replace"), "Windows-1252"


def read_rows(file: Path, text: str) -> TextRows:
    """Read the rows of a text, which is the content of this file.

    Raises:
        UnusableTable: a row does not fit under the header, or the separator that the file names is none.
    """
    lines = list(islice(io.StringIO(text, newline=""), _SAMPLE_LINES))
    named = _NAMED_SEPARATOR.fullmatch(lines[0]) if lines else None
    if named and named[1] not in SEPARATOR_NAMES:
        raise UnusableTable(
            f"{file}: its first line says that {named[1]} separates the cells. Save it with one of"
            f" {', '.join(SEPARATOR_NAMES.values())}."
        )
    below = lines[1:] if named else lines
    separator = named[1] if named else _separator(below)
    titles = (
        len(lines)
        - len(below)
        + header_place([_cells(line, separator) for line in below[: MOST_TITLES + 30]])
    )
    rest = islice(io.StringIO(text, newline=""), titles, None)
    try:
        reader = TableReader(file, rest, separator=separator, first_line=titles + 1)
        rows = list(reader)
    except UnreadableTable as unreadable:
        raise UnusableTable(f"{unreadable}{_cure(lines[titles:], separator)}") from None
    return TextRows(reader.header, rows, range(1, titles + 1), separator)


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(cells_of([line], separator), [])
    except csv.Error:  # a cell that is too long; where it is no title, the reader names its place
        return [line]


def _cure(lines: Sequence[str], separator: str) -> str:
    """Return what to do where cells seem to hold decimal commas that also separate them."""
    width, *widths = [len(_cells(line, separator)) for line in lines] or [0]
    halved = [
        number
        for number, line in zip(widths, lines[1:], strict=True)
        if width < number <= width + len(_HALVED_NUMBER.findall(line))
    ]
    if separator != "," or len(halved) <= len(widths) / 2:
        return ""
    return (
        ". If its numbers have decimal commas, export it again with semicolons between the cells, or with"
        " decimal points"
    )


def _utf16_without_mark(sample: bytes) -> str | None:
    """Return the order of bytes of a text whose every second byte is mostly 0; None for any other."""
    half = len(sample) // 2
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and sample[start::2].count(0) > 0.8 * half and not sample[1 - start :: 2].count(0):
            return name
    return None


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that gives the header and the first rows the same, largest number of cells."""
    sample = [line for line in lines if line.strip()]

    def fits(separator: str) -> tuple[int, int]:
        try:
            rows = list(cells_of(sample, separator))
        except csv.Error:  # the same
            rows = [_cells(line, separator) for line in sample]
        widths = [len(row) for row in rows[header_place(rows) :]]
        if not widths:
            return 0, 0
        return (widths[0] > 1) * sum(width == widths[0] for width in widths), widths[0]

    return max(SEPARATOR_NAMES, key=fits)
