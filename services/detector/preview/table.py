"""Reads a file with a header line into cells: guesses its encoding and separator, and numbers its rows."""

import codecs
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from schemas.csv_table import SEPARATOR_NAMES, TableReader, UnreadableTable, cells_of

_SAMPLE_LINES = 50
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class UnusableTable(ValueError):
    """The table cannot be previewed; the message tells the reader what to do."""


@dataclass(frozen=True, slots=True)
class TableLine:
    """One row: the number of its line in the file (the header is 1) and its cells by column."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file, its separator and its encoding."""

    header: tuple[str, ...]
    lines: tuple[TableLine, ...]
    separator: str
    encoding: str

    def column(self, name: str) -> list[str]:
        """Return the filled cells of a column."""
        return [line.cells[name] for line in self.lines if line.cells[name]]


def read_table(file: Path) -> Table:
    """Read a file with a header line.

    Raises:
        UnusableTable: there is no header or no row, two columns have the same name, or a row does not fit.
    """
    text, encoding = _decoded(file.read_bytes())
    separator = _separator(text)
    try:
        rows = TableReader(file, io.StringIO(text, newline=""), separator=separator)
        lines = [TableLine(line, _by_column(rows.header, cells)) for line, cells in rows]
    except UnreadableTable as unreadable:
        raise UnusableTable(str(unreadable)) from None
    if len([name for name in rows.header if name]) < 2:
        raise UnusableTable("The first line must name the columns, separated by ; , or a tab.")
    if not lines:
        raise UnusableTable("There are no rows under the line that names the columns.")
    return Table(tuple(rows.header), tuple(lines), separator, encoding)


def _by_column(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


def _decoded(content: bytes) -> tuple[str, str]:
    if content.startswith(_BOMS):
        return content.decode("utf-16"), "UTF-16"
    try:
        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        # Spreadsheets on Windows write this encoding by default.
        return content.decode("cp1252", errors="replace"), "Windows-1252"


def _separator(text: str) -> str:
    """Return the separator that gives the header and the first rows the same, largest number of cells."""
    lines = islice(io.StringIO(text, newline=""), _SAMPLE_LINES)
    sample = [line for line in lines if line.strip()]

    def fits(separator: str) -> tuple[int, int]:
        widths = [len(row) for row in cells_of(sample, separator)]
        if not widths:
            return 0, 0
        return (widths[0] > 1) * sum(width == widths[0] for width in widths), widths[0]

    return max(SEPARATOR_NAMES, key=fits)
