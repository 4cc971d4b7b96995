"""Reads one sheet of a workbook (xlsx, ods, xls) into rows of text, each with its number in the sheet."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Self

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from schemas.rating_tables.merged_cells import Range, fill_merged, join_header
from schemas.rating_tables.table_errors import UnclearTable, UnusableTable
from schemas.rating_tables.workbook_errors import error_cells

BEGINNINGS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How workbooks begin: xlsx and ods, and the older xls."""

Cell = int | float | str | bool | time | date | datetime | timedelta
Row = tuple[int, list[str]]
"""The number of a row, counted from 1, and its cells."""


def read_sheet(file: Path, sheet: str | None) -> tuple[str, list[Row]]:
    """Return the name of the sheet and its rows without the blank ones, each as wide as the widest.

    Args:
        file: the workbook.
        sheet: the sheet's name; None: the only one that holds anything.

    Raises:
        UnclearTable: several sheets hold something and none is named, or there is no such sheet.
        UnusableTable: the file is no workbook that can be opened, or it is empty.
    """
    try:
        # By content, whatever the file is called.
        with file.open("rb") as content, CalamineWorkbook.from_filelike(content) as book:
            if sheet is not None and sheet not in book.sheet_names:
                raise UnclearTable(
                    f"--sheet: the workbook has no sheet {sheet}. Its sheets: {', '.join(book.sheet_names)}."
                )
            names = book.sheet_names if sheet is None else [sheet]
            sheets = {name: _Sheet.of(book.get_sheet_by_name(name)) for name in names}
            found = _only_one(file, [name for name, one in sheets.items() if any(map(any, one.cells))])
            errors = error_cells(content, file, found)
        return found, list(_rows(sheets[found], errors))
    except PasswordError:
        raise UnusableTable(
            f"{file} is protected by a password. Save a copy without, and remove it afterwards."
        ) from None
    except CalamineError as error:
        raise UnusableTable(
            f"{file} begins like a workbook and cannot be opened as one ({error}). Open it in the program"
            " that wrote it, and save the sheet with the ratings as a file of the kind CSV UTF-8."
        ) from None


def _only_one(file: Path, filled: Sequence[str]) -> str:
    if not filled:
        raise UnusableTable(f"{file}: the sheet is empty.")
    if len(filled) > 1:
        raise UnclearTable(
            f"The workbook has several sheets: {', '.join(filled)}."
            " Name the one with the ratings: --sheet NAME."
        )
    return filled[0]


@dataclass(frozen=True, slots=True)
class _Sheet:
    cells: list[list[str]]
    merged: Sequence[Range]

    @classmethod
    def of(cls, sheet: CalamineSheet) -> Self:
        cells = [[_text(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
        return cls(cells, sheet.merged_cell_ranges or ())


def _rows(sheet: _Sheet, errors: Mapping[tuple[int, int], str]) -> Iterator[Row]:
    rows = sheet.cells
    for (row, column), error in errors.items():
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = error
    fill_merged(rows, sheet.merged)
    join_header(rows, sheet.merged)
    for number, cells in enumerate(rows, start=1):
        if any(cells):
            yield number, cells


def _text(cell: Cell) -> str:
    """Return a cell as it would stand in a CSV: whole numbers without a decimal point, dates as ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell).strip()
