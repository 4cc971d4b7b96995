"""Finds cells of a workbook (xlsx, ods) with an error such as #N/A, which its reader takes for empty."""

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
_ODS_ERROR = re.compile(rb"""\bvalue-type=["']error["']""")
_CHUNK_BYTES = 1 << 20
_OVERLAP_BYTES = 1 << 12
"""Longer than a cell with an error, so that none is cut at the end of a chunk."""


def error_cells(content: IO[bytes], file: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return the errors of a sheet of an xlsx by row and column, both from 0.

    Raises:
        UnusableTable: an ods holds some; their places are not known.
    """
    try:
        with ZipFile(content) as book:
            names = set(book.namelist())
            if "xl/workbook.xml" in names:
                part = _part_of(book, sheet)
                return dict(_errors(book, part)) if part in names else {}
            has_errors = "content.xml" in names and _has_ods_error(book)
    except (BadZipFile, KeyError, ElementTree.ParseError):
        return {}  # the older xls, or what the reader of workbooks took all the same
    if has_errors:
        raise UnusableTable(
            f"{file}: cells of the workbook hold an error such as #N/A or #DIV/0!, which would be read as"
            " unanswered. Correct or empty them, or save the sheet as CSV."
        )
    return {}


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


def _errors(book: ZipFile, part: str) -> Iterator[tuple[tuple[int, int], str]]:
    for text in _chunks(book, part):
        for cell in _ERROR.finditer(text):
            place, value = _PLACE.search(cell[0]), _VALUE.search(cell[0])
            if place is not None:
                error = value[1].decode() if value else "#ERROR"
                yield (int(place[2]) - 1, _column(place[1].decode())), error


def _column(letters: str) -> int:
    """Return the place of a column from 0: 0 for A, 26 for AA."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def _has_ods_error(book: ZipFile) -> bool:
    return any(_ODS_ERROR.search(text) for text in _chunks(book, "content.xml"))


def _chunks(book: ZipFile, part: str) -> Iterator[bytes]:
    kept = b""
    with book.open(part) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield kept + chunk
            kept = (kept + chunk)[-_OVERLAP_BYTES:]
