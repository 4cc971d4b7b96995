"""Reads tables (CSV) strictly: a row that does not fit under the header is an error that names its line."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

SEPARATOR_NAMES = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "vertical bars"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_QUOTED_CELL = re.compile(r'"(?:[^"]|"")*"')
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


class UnreadableTable(ValueError):
    """A table cannot be read as it is meant; the message names file and line, and quotes no cell."""

    def __init__(self, file: Path, line: int, reason: str) -> None:
        super().__init__(file, line, reason)
        self.file = file
        self.line = line
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


class MisfitRow(UnreadableTable):
    """A row has more or fewer cells than the header; the rows after it can be read."""


class TableRow(NamedTuple):
    """One row: the number of the line on which it begins (the header's is 1), and a cell for each column."""

    line: int
    cells: list[str]


class TableReader:
    """Iterates over the rows of a table without the blank ones.

    A cell in quotation marks may contain separators and line breaks.
    """

    def __init__(
        self,
        file: Path,
        lines: Iterable[str] | None = None,
        *,
        separator: str = ",",
        first_line: int = 1,
    ) -> None:
        """Read the header; `lines` are those of the file from `first_line` on, by default all, in UTF-8.

        Raises:
            UnreadableTable: there is no header, it names a column twice, or it has another separator.
        """
        self._file = file
        self._separator = separator
        self._row_line = first_line
        self.row_lines: list[str] = []
        """The lines of the row that was read last, with their ends."""
        self._is_at_end = False
        kept = self._keep(text_lines(file) if lines is None else lines)
        self._reader = csv.reader(kept, strict=True, delimiter=separator)
        self.header = [name.strip() for name in self._next_cells() or ()]
        if not any(self.header):
            raise self.error(first_line, "the first line must name the columns")
        repeated = sorted({name for name in self.header if name and self.header.count(name) > 1})
        if repeated:
            raise self.error(
                first_line, f"two columns have the same name: {', '.join(repeated)}; rename one of them"
            )
        if len(self.header) == 1:
            for mark, name in SEPARATOR_NAMES.items():
                if mark in self.header[0]:
                    expected = SEPARATOR_NAMES[separator]
                    raise self.error(
                        first_line, f"the columns are separated by {name}: save the table with {expected}"
                    )

    def require(self, columns: Iterable[str]) -> None:
        """Check that the table has these columns.

        Raises:
            UnreadableTable: it lacks some of them.
        """
        missing = [name for name in columns if name not in self.header]
        if missing:
            raise self.error(1, f"the table lacks the columns {', '.join(missing)}")

    def error(self, line: int, reason: str) -> UnreadableTable:
        """Return an error on a line of this table."""
        return UnreadableTable(self._file, line, reason)

    def __iter__(self) -> Iterator[TableRow]:
        return self

    def __next__(self) -> TableRow:
        """Return the next row.

        Raises:
            MisfitRow: it has more or fewer cells than the header.
            UnreadableTable: a quotation mark has no partner, or the text cannot be read.
        """
        while True:
            cells = self._next_cells()
            if cells is None:
                raise StopIteration
            if len(self.row_lines) > 1:
                self._check_joined_lines()
            if not any(map(str.strip, cells)):
                continue
            if len(cells) != len(self.header):
                raise self._misfit(len(cells))
            return TableRow(self._row_line, cells)

    def _next_cells(self) -> list[str] | None:
        self._row_line += len(self.row_lines)
        self.row_lines.clear()
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise self._broken(str(error)) from None

    def _keep(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self.row_lines.append(line)
            if "\0" in line:
                raise self.error(self._current_line, "there is a NUL character: save the file in UTF-8")
            yield line
        self._is_at_end = True

    @property
    def _current_line(self) -> int:
        return self._row_line + len(self.row_lines) - 1

    def _misfit(self, count: int) -> MisfitRow:
        if count == 1:
            reason = (
                f"the row has 1 cell under {len(self.header)} columns: remove it if it is a comment or a"
                " title; every column of a row needs a cell"
            )
            return MisfitRow(self._file, self._row_line, reason)
        todo = (
            f"put a cell that contains {SEPARATOR_NAMES[self._separator]} into quotation marks"
            if count > len(self.header)
            else "every column needs a cell, empty or not"
        )
        reason = f"the row has {count} cells under {len(self.header)} columns: {todo}"
        return MisfitRow(self._file, self._row_line, reason)

    def _check_joined_lines(self) -> None:
        # Two stray quotation marks make one cell of all rows between them, and that may fit under the header.
        rows = [text.count(self._separator) == len(self.header) - 1 for text in self.row_lines]
        if rows[0] and any(rows[1:]):
            swallowed = self._row_line + rows.index(True, 1)
            raise self.error(
                self._row_line,
                f"a quotation mark opens here and swallows line {swallowed}: close or double it",
            )

    def _broken(self, error: str) -> UnreadableTable:
        opened = self._row_line + _last_opened("".join(self.row_lines), self._separator)
        if "field limit" in error:
            most = csv.field_size_limit()
            return self.error(
                opened, f"a cell has more than {most} characters: is a quotation mark not closed?"
            )
        if self._is_at_end:
            return self.error(opened, "a quotation mark opens here and is never closed")
        return self.error(
            opened,
            f"a quotation mark opens here and ends in the middle of a cell on line {self._current_line}:"
            " close it, or double one that belongs to the text",
        )


def text_lines(file: Path) -> Iterator[str]:
    """Yield the lines of a file in UTF-8, with or without a byte order mark, with their ends.

    Raises:
        UnreadableTable: the file has another encoding.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield from lines
    except UnicodeDecodeError:
        raise _not_utf8(file) from None


def cells_of(lines: Iterable[str], separator: str = ",") -> Iterator[list[str]]:
    """Yield the cells of lines that are known to be well formed, or that need not be."""
    return csv.reader(lines, delimiter=separator)


def _not_utf8(file: Path) -> UnreadableTable:
    with file.open("rb") as content:
        if content.read(2) in _UTF16:
            return UnreadableTable(file, 1, "the file is in UTF-16: save it in UTF-8")
        content.seek(0)
        for number, line in enumerate(content, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return UnreadableTable(file, number, "a character is not in UTF-8: save the file in UTF-8")
    raise AssertionError("the file changed while it was read")


def _last_opened(text: str, separator: str) -> int:
    """Return how many line breaks of a broken row come before the last cell in quotation marks begins."""
    position = opened = 0
    while position < len(text):
        if text[position] == '"':
            opened = position
            cell = _QUOTED_CELL.match(text, position)
            if cell is None or text[cell.end() : cell.end() + 1] not in (separator, "\r", "\n", ""):
                break
            position = cell.end() + 1
        else:
            position = _next_cell(text, position, separator)
    return len(_LINE_BREAK.findall(text[:opened]))


def _next_cell(text: str, position: int, separator: str) -> int:
    ends = [at for at in (text.find(mark, position) for mark in (separator, "\r", "\n")) if at >= 0]
    return min(ends, default=len(text)) + 1
