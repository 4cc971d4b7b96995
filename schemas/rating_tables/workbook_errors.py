"""Finds cells of a workbook (xlsx, ods) that its reader takes for empty, though they are not.

These are errors such as #N/A, and formulas without a result: programs write workbooks without computing.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from schemas.rating_tables.table_errors import UnusableTable

_ERROR = re.compile(rb"""<(?:\w+:)?c\s[^>]*\bt=["']e["'][^>]*>.{0,2000}?</(?:\w+:)?c>""", re.DOTALL)
_PLACE = re.compile(rb"""\br=["']([A-Z]{1,3})(\d+)["']""")
_VALUE = re.compile(rb"<(?:\w+:)?v>([^<]*)</")
_FORMULA = (
    rb"""<(?:\w+:)?c\b(?![^>]*\bt=["']str["'])[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)"""
    rb"""\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*%s\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"""
)
_NO_RESULT = re.compile(_FORMULA % b"")
"""A cell with a formula and no result; the result of one that gives an empty text is of the type `str`."""
_NO_RESULT_OR_ZERO = re.compile(_FORMULA % rb"(?:0(?:\.0)?)?")
"""The same, or with the result 0: some programs write it for every formula."""
_TO_COMPUTE = re.compile(rb"""\bfullCalcOnLoad=["'](?:1|true)["']""")
"""By this a program says that the results are to be computed when the workbook is opened."""
_ODS_FORMULA = re.compile(rb"""<[\w:-]*table-cell\b(?=[^>]*\bformula=)(?![^>]*\bvalue-type=)[^>]*>""")
_ODS_ERROR = re.compile(rb"""\bvalue-type=["']error["']""")
_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 1 << 16
"""Longer than a cell with the longest formula (8,192 characters), so that none is cut at a chunk's end."""


def error_cells(content: IO[bytes], file: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return the errors of a sheet of an xlsx by row and column, both from 0.

    Raises:
        UnusableTable: the places of some are not known, as in an ods, or formulas have no result.
    """
    errors: dict[tuple[int, int], str] = {}
    has_errors = has_formulas = False
    try:
        with ZipFile(content) as book:
            names = set(book.namelist())
            if "xl/workbook.xml" in names:
                part = _part_of(book, sheet)
                if part in names:
                    found = dict(_errors(book, part))
                    errors = {place: error for place, error in found.items() if place is not None}
                    has_errors = None in found
                    is_computed = _TO_COMPUTE.search(book.read("xl/workbook.xml")) is None
                    has_formulas = _has(book, part, _NO_RESULT if is_computed else _NO_RESULT_OR_ZERO)
            elif "content.xml" in names:
                has_errors = _has(book, "content.xml", _ODS_ERROR)
                has_formulas = _has(book, "content.xml", _ODS_FORMULA)
    except (BadZipFile, KeyError, ElementTree.ParseError):
        return {}  # the older xls, or what the reader of workbooks took all the same
    if has_errors:
        raise UnusableTable(
            f"{file}: cells of the workbook hold an error such as #N/A or #DIV/0!, which would be read as"
            " unanswered. Correct or empty them, or save the sheet as CSV."
        )
    if has_formulas:
        raise UnusableTable(
            f"{file}: cells of the workbook hold formulas whose results are not in the file, and would be"
            " read as unanswered or as 0. Open it in a spreadsheet program, which computes them, and save it."
        )
    return errors


def _part_of(book: ZipFile, sheet: str) -> str:
    """Return the name of the part of the file that holds a sheet."""
    # The owner of the file names it here, and the parser limits what entities may grow to.
    listed = ElementTree.fromstring(book.read("xl/workbook.xml"))  # noqa: S314
    links = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    target_of = {link.get("Id"): link.get("Target", "") for link in links}
    for one in listed.iter():
        if one.tag.endswith("}sheet") and one.get("name") == sheet:
            link = next((value for name, value in one.items() if name.endswith("}id")), "")
            target = target_of.get(link, "")
            return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    return ""


def _errors(book: ZipFile, part: str) -> Iterator[tuple[tuple[int, int] | None, str]]:
    """Return the errors of a sheet; the place is None where the cell does not name its own."""
    for text in _chunks(book, part):
        for cell in _ERROR.finditer(text):
            place, value = _PLACE.search(cell[0]), _VALUE.search(cell[0])
            error = value[1].decode() if value else "#ERROR"
            yield (int(place[2]) - 1, _column(place[1].decode())) if place else None, error


def _column(letters: str) -> int:
    """Return the place of a column from 0: 0 for A, 26 for AA."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _has(book: ZipFile, part: str, pattern: re.Pattern[bytes]) -> bool:
    return any(pattern.search(text) for text in _chunks(book, part))


def _chunks(book: ZipFile, part: str) -> Iterator[bytes]:
    kept = b""
    with book.open(part) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield kept + chunk
            kept = (kept + chunk)[-_OVERLAP_BYTES:]
