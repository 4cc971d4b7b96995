"""Reads a file with a header line into cells: guesses its encoding and separator, and numbers its rows."""

import codecs
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from schemas.csv_table import SEPARATOR_NAMES, TableReader, UnreadableTable, cells_of
from schemas.rating_tables.table_errors import UnusableTable
from schemas.rating_tables.workbook import BEGINNINGS, read_sheet

Certainty = Literal["given", "sure", "likely", "guess"]
"""How sure it is what a part of a table means."""

_SAMPLE_LINES = 50
_SAMPLE_BYTES = 2_000
_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class TableLine:
    """One row: the number of its line in the file (the header is 1) and its cells by column."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file, and how it holds them."""

    header: tuple[str, ...]
    lines: tuple[TableLine, ...]
    written: str
    """Encoding and separator, or what kind of file it is, in words."""
    sheet: str | None = None
    """The sheet of a workbook that was asked for."""

    def column(self, name: str) -> list[str]:
        """Return the filled cells of a column."""
        return [line.cells[name] for line in self.lines if line.cells[name]]


def normalize(name: str) -> str:
    """Return a name in lower case without accents, blanks and punctuation."""
    name = name.replace("ß", "ss")
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]", "", ascii_name)


def read_table(file: Path, sheet: str | None = None) -> Table:
    """Read a file with a header line, or a sheet of a workbook.

    Raises:
        UnclearTable: it is a workbook, and which sheet is meant must be told.
        UnusableTable: there is no header or no row, two columns have the same name, or a row does not fit.
    """
    content = file.read_bytes()
    if content.removeprefix(codecs.BOM_UTF8).lstrip().startswith((b"{", b"[")):
        raise UnusableTable(
            f"{file} holds JSON and is no table. `rapport send` takes JSON with one rating per line as it is."
        )
    table = (
        _from_workbook(file, sheet)
        if content.startswith(BEGINNINGS)
        else _from_text(file, *_decoded(content))
    )
    if len([name for name in table.header if name]) < 2:
        raise UnusableTable("The first line must name the columns, separated by ; , or a tab.")
    if not table.lines:
        raise UnusableTable("There are no rows under the line that names the columns.")
    return table


def _from_workbook(file: Path, wanted: str | None) -> Table:
    sheet, ((number, header), *rows) = read_sheet(file, wanted)
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise UnusableTable(
            f"{file}, row {number}: two columns have the same name: {', '.join(repeated)}; rename one of them"
        )
    lines = tuple(TableLine(line, _by_column(header, cells)) for line, cells in rows)
    return Table(tuple(header), lines, f"sheet {sheet} of a workbook", wanted)


def _from_text(file: Path, text: str, encoding: str) -> Table:
    separator = _separator(text)
    try:
        rows = TableReader(file, io.StringIO(text, newline=""), separator=separator)
        lines = tuple(TableLine(line, _by_column(rows.header, cells)) for line, cells in rows)
    except UnreadableTable as unreadable:
        raise UnusableTable(str(unreadable)) from None
    return Table(tuple(rows.header), lines, f"{encoding}, cells separated by {SEPARATOR_NAMES[separator]}")


def _by_column(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    return {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


def _decoded(content: bytes) -> tuple[str, str]:
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


def _utf16_without_mark(sample: bytes) -> str | None:
    """Return the order of bytes of a text whose every second byte is mostly 0; None for any other."""
    half = len(sample) // 2
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if half and sample[start::2].count(0) > 0.8 * half and not sample[1 - start :: 2].count(0):
            return name
    return None


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
