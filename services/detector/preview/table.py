"""The bytes of a file in, its cells out: which separator, which encoding, and the number of every row."""

import codecs
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SEPARATORS = (";", ",", "\t", "|")
_LOOKED_AT = 50
NAMES = {";": "semicolon", ",": "comma", "\t": "tab", "|": "bar"}
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Unreadable(ValueError):
    """The file cannot be tried; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number in the file (the header is 1) and its cells by column."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file as read."""

    header: tuple[str, ...]
    lines: tuple[Line, ...]
    separator: str
    encoding: str

    def column(self, name: str) -> list[str]:
        """The filled cells of a column."""
        return [line.cells[name] for line in self.lines if line.cells[name]]


def read_table(file: Path) -> Table:
    """The cells of a file with a header line.

    Raises:
        Unreadable: there is no header, no row, or a column's name stands there twice.
    """
    text, encoding = _decoded(file.read_bytes())
    separator = _separator(text)
    rows = csv.reader(text.splitlines(keepends=True), delimiter=separator)
    header = tuple(name.strip() for name in next(rows, []))
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if len([name for name in header if name]) < 2:
        raise Unreadable("The first line must name the columns, separated by ; , or a tab.")
    if twice:
        raise Unreadable(f"Two columns have the same name: {', '.join(twice)}. Rename one of them.")
    lines = []
    for row in rows:
        cells = dict.fromkeys(header, "") | {
            name: cell.strip() for name, cell in zip(header, row, strict=False)
        }
        if any(cells.values()):
            lines.append(Line(rows.line_num, cells))
    if not lines:
        raise Unreadable("There are no rows under the line that names the columns.")
    return Table(header, tuple(lines), separator, encoding)


def _decoded(content: bytes) -> tuple[str, str]:
    if content.startswith(_BOMS):
        return content.decode("utf-16"), "UTF-16"
    try:
        return content.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        # What spreadsheets on Windows write when nobody chose UTF-8; it decodes any byte that matters here.
        return content.decode("cp1252", errors="replace"), "Windows-1252"


def _separator(text: str) -> str:
    """The separator by which the header and the first rows fall into the same, largest number of cells."""
    first = [line for line in text.splitlines()[:_LOOKED_AT] if line.strip()]

    def fits(separator: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(first, delimiter=separator)]
        if not widths:
            return 0, 0
        return (widths[0] > 1) * sum(width == widths[0] for width in widths), widths[0]

    return max(_SEPARATORS, key=fits)
