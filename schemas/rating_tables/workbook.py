"""Reads one sheet of a workbook (xlsx, ods, xls) into rows of text, each with its number in the sheet."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError

from schemas.rating_tables.table_errors import UnclearTable, UnusableTable

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
            filled = {name: rows for name in names if (rows := list(_rows(book.get_sheet_by_name(name))))}
    except PasswordError:
        raise UnusableTable(
            f"{file} is protected by a password. Save a copy without, and remove it afterwards."
        ) from None
    except CalamineError as error:
        raise UnusableTable(
            f"{file} begins like a workbook and cannot be opened as one ({error}). Open it in the program"
            " that wrote it, and save the sheet with the ratings as a file of the kind CSV UTF-8."
        ) from None
    if not filled:
        raise UnusableTable(f"{file}: the sheet is empty.")
    if len(filled) > 1:
        raise UnclearTable(
            f"The workbook has several sheets: {', '.join(filled)}."
            " Name the one with the ratings: --sheet NAME."
        )
    return next(iter(filled.items()))


def _rows(sheet: CalamineSheet) -> Iterator[Row]:
    rows: Sequence[Sequence[Cell]] = sheet.to_python(skip_empty_area=False)
    for number, row in enumerate(rows, start=1):
        cells = [_text(cell) for cell in row]
        if any(cells):
            yield number, cells


def _text(cell: Cell) -> str:
    """Return a cell as it would stand in a CSV: whole numbers without a decimal point, dates as ISO 8601."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date | time):
        return cell.isoformat()
    return str(cell).strip()
