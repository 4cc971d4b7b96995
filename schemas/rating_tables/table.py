"""Reads a file with a header line, a workbook or JSON into cells, and numbers its rows."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.fhir_file import holds_resources, read_resources
from schemas.rating_tables.header_place import count_descriptions, header_place
from schemas.rating_tables.json_objects import ObjectRow, read_objects, row_of
from schemas.rating_tables.table_errors import UnusableTable
from schemas.rating_tables.text_file import decode, read_rows
from schemas.rating_tables.workbook import BEGINNINGS, read_sheet

Certainty = Literal["given", "sure", "likely", "guess"]
"""How sure it is what a part of a table means."""
_COLUMNS_SHOWN = 8
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MOST_CONTROLS = 5
_SAMPLE = 2_000
"""Characters at the beginning of a file that are looked at; this many control characters show no text."""


@dataclass(frozen=True, slots=True)
class InvalidCell:
    """An error in one row: the file's name of the column and what is expected, never the value."""

    row: int
    column: str
    message: str
    expected: str


@dataclass(frozen=True, slots=True)
class TableLine:
    """One row: the number of its line in the file (the first is 1) and its cells by column."""

    number: int
    cells: Mapping[str, str]
    row: int | None = None
    """Its line in a file whose rows hold several sessions or forms; `number` then counts those."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """The file's columns, by those that stand for them in each session of such a row."""

    @property
    def file_row(self) -> int:
        """Return the number of its line in the file."""
        return self.number if self.row is None else self.row


@dataclass(frozen=True, slots=True)
class Occasions:
    """How a table was unrolled whose rows hold several sessions."""

    header: tuple[str, ...]
    """The columns of the file."""
    numbers: tuple[int, ...]
    """The numbers of the sessions in the names of the columns."""
    first: tuple[str, ...]
    """The file's columns of the first session."""
    names: tuple[str, ...]
    """What they are called in each session."""
    empty: int
    """Sessions without date and marks; they are left out."""

    @property
    def in_words(self) -> str:
        """Return how the rows were unrolled, with the columns of the first session."""
        shown = [*self.first[:_COLUMNS_SHOWN], *(["…"] if len(self.first) > _COLUMNS_SHOWN else [])]
        empty = f"; {self.empty} have neither date nor marks and are left out" if self.empty else ""
        return f"{len(self.numbers)} in each row, the first in {' '.join(shown)}{empty}"


@dataclass(frozen=True, slots=True)
class Table:
    """The cells of a file, and how it holds them."""

    header: tuple[str, ...]
    lines: tuple[TableLine, ...]
    written: str
    """Encoding and separator, or what kind of file it is, in words."""
    sheet: str | None = None
    """The sheet of a workbook that was asked for."""
    titles: tuple[int, ...] = ()
    """The numbers of the lines above the one that names the columns."""
    descriptions: tuple[int, ...] = ()
    """The numbers of the lines under it that only describe the columns."""

    repeated: tuple[int, ...] = ()
    """The numbers of the lines that name the columns once more."""

    unread: tuple[InvalidCell, ...] = ()
    """What is wrong with rows that could not be turned into cells."""

    occasions: Occasions | None = None
    """How the file's rows were unrolled; None: each holds one session."""

    @property
    def passed_over(self) -> list[str]:
        """Return in words which lines are no rows, and why."""
        kinds = (
            (self.titles, "above the names of the columns"),
            (self.descriptions, "a description of the columns"),
            (self.repeated, "the names of the columns once more"),
        )
        return [f"{_numbered(lines)}, {what}" for lines, what in kinds if lines]

    def column(self, name: str) -> list[str]:
        """Return the filled cells of a column."""
        return [line.cells[name] for line in self.lines if line.cells[name]]


def normalize(name: str) -> str:
    """Return a name in lower case without accents, blanks and punctuation."""
    name = name.replace("ß", "ss")
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]", "", ascii_name)


def _numbered(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    together = lines[-1] - lines[0] == len(lines) - 1
    return f"lines {lines[0]} to {lines[-1]}" if together else f"lines {', '.join(map(str, lines))}"


def read_table(file: Path, sheet: str | None = None, catalogue: Catalogue | None = None) -> Table:
    """Read a file whose columns have names: a text, a sheet of a workbook, or objects in JSON.

    Titles above the names and lines that describe the columns are no rows. FHIR resources are read by the
    questionnaires of the catalogue (by default those of the shipped instruments).

    Raises:
        UnclearTable: it is a workbook, and which sheet is meant must be told.
        UnusableTable: there is no header or no row, two columns have the same name, or a row does not fit.
    """
    content = file.read_bytes()
    text, encoding = ("", "") if content.startswith(BEGINNINGS) else decode(content)
    if content.startswith(BEGINNINGS):
        table = _from_workbook(file, sheet)
    elif text.lstrip().startswith(("{", "[")):
        if holds_resources(text):
            table = _from_resources(file, text, catalogue or Catalogue.load())
        else:
            table = _from_objects(file, text)
    else:
        _check_text(file, text)
        table = _from_text(file, text, encoding)
    if len([name for name in table.header if name]) < 2:
        raise UnusableTable("The first line must name the columns, separated by ; , or a tab.")
    if not table.lines:
        raise UnusableTable("There are no rows under the line that names the columns.")
    return table


def _check_text(file: Path, text: str) -> None:
    if len(_CONTROLS.findall(text[:_SAMPLE])) >= _MOST_CONTROLS:
        raise UnusableTable(
            f"{file} is no text and no workbook. Export the ratings as a table (CSV, xlsx, ods) or as JSON."
        )


def _from_workbook(file: Path, wanted: str | None) -> Table:
    sheet, rows = read_sheet(file, wanted)
    place = header_place([cells for _, cells in rows])
    titles, (number, header), rows = rows[:place], rows[place], rows[place + 1 :]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise UnusableTable(
            f"{file}, row {number}: two columns have the same name: {', '.join(repeated)}; rename one of them"
        )
    table = _table(header, rows, f"sheet {sheet} of a workbook")
    return replace(table, sheet=wanted, titles=tuple(line for line, _ in titles))


def _from_resources(file: Path, text: str, catalogue: Catalogue) -> Table:
    found = read_resources(file, text, catalogue)
    unread = tuple(
        InvalidCell(row.number, fault.field, fault.message, fault.expected)
        for row in found
        for fault in row.faults
    )
    rows = [row_of(file, row.number, row.body) for row in found if not row.faults]
    if not rows:
        first = unread[0]
        raise UnusableTable(
            f"{file} holds no response that can be read as a rating. The first one: {first.column}"
            f" {first.message}. Expected: {first.expected}."
        )
    table = _from_rows(rows, "FHIR R4, a QuestionnaireResponse for each row")
    return replace(table, unread=unread)


def _from_objects(file: Path, text: str) -> Table:
    return _from_rows(read_objects(file, text), "JSON, an object for each row")


def _from_rows(rows: Sequence[ObjectRow], written: str) -> Table:
    header = tuple(dict.fromkeys(name for row in rows for name in row.cells))
    lines = tuple(TableLine(row.number, dict.fromkeys(header, "") | row.cells) for row in rows)
    return Table(header, lines, written)


def _from_text(file: Path, text: str, encoding: str) -> Table:
    found = read_rows(file, text)
    table = _table(found.header, found.rows, f"{encoding}, cells separated by {found.separated_by}")
    return replace(table, titles=tuple(found.titles))


def _table(header: Sequence[str], rows: Sequence[tuple[int, list[str]]], written: str) -> Table:
    names = [name.strip() for name in header]
    repeated = {number for number, cells in rows if [cell.strip() for cell in cells] == names}
    rows = [row for row in rows if row[0] not in repeated]
    described = count_descriptions([cells for _, cells in rows])
    lines = tuple(
        TableLine(number, {name: cell.strip() for name, cell in zip(header, cells, strict=True)})
        for number, cells in rows[described:]
    )
    return Table(
        tuple(header),
        lines,
        written,
        descriptions=tuple(number for number, _ in rows[:described]),
        repeated=tuple(sorted(repeated)),
    )
