"""Reads JSON, a list of objects or one object per line, into rows of cells."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas.rating_tables.table_errors import UnusableTable

_ELEMENTS = {"items": "item"}
"""What the elements of a list are called, before their number; by default as the list."""
_NAMELESS = frozenset({"scores"})
"""Objects whose fields have names of their own."""


class ObjectRow(NamedTuple):
    """One object: the number of its line, or its place in the list, and its values by name."""

    number: int
    cells: dict[str, str]


def read_objects(file: Path, text: str) -> list[ObjectRow]:
    """Return the objects of a file, with one cell for each value; lists and objects become several.

    A rating may stand in `{"practice": …, "rating": {…}}`. Numbers stay as they are written.

    Raises:
        UnusableTable: the text is no JSON, or it holds something else than objects, or a name twice.
    """
    try:
        rows = [row_of(file, number, value) for number, value in _objects(file, text)]
    except RecursionError:
        raise UnusableTable(f"{file} is nested too deeply to be a list of ratings.") from None
    if not any(len(row.cells) > 1 for row in rows):
        raise UnusableTable(f"{file} holds no objects with the values of a form; each rating must be one.")
    return rows


def _objects(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    values: Iterable[tuple[int, object]]
    try:
        whole = _loads(text)
    except json.JSONDecodeError as error:
        values = _lines(file, text, error)
    else:
        values = enumerate(_listed(whole), start=1)
    for number, value in values:
        if not isinstance(value, dict):
            raise UnusableTable(f"{file}, value {number}: it is no object; each rating must be one.")
        yield number, value


def _loads(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON whose numbers become text.

    Raises:
        JSONDecodeError: it is none.
        UnusableTable: an object has a name twice.
    """
    return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = sorted({name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1})
        raise UnusableTable(
            f"An object has a value twice: {', '.join(map(ascii, twice))}; rename one of them."
        )
    return values


def _listed(whole: object) -> list[Any]:
    """Return the list that a text holds, or the one list of objects in its only object."""
    if isinstance(whole, dict):
        lists = [value for value in whole.values() if isinstance(value, list) and _are_objects(value)]
        return lists[0] if len(lists) == 1 else [whole]
    return whole if isinstance(whole, list) else [whole]


def _are_objects(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _lines(file: Path, text: str, whole: json.JSONDecodeError) -> Iterator[tuple[int, object]]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    for number, line in lines:
        try:
            yield number, _loads(line)
        except json.JSONDecodeError as error:
            # Where even the first line is no value, the text is one value that is broken.
            place, why = (whole.lineno, whole.msg) if (number, line) == lines[0] else (number, error.msg)
            raise UnusableTable(f"{file}, line {place}: this is no JSON ({why}).") from None


def row_of(file: Path, number: int, value: dict[str, Any]) -> ObjectRow:
    """Return an object as a row of cells.

    Raises:
        UnusableTable: two values would be in one cell, or a character is broken.
    """
    if isinstance(value.get("rating"), dict):
        value = {"practice_id": value.get("practice"), **value["rating"]}
    cells: dict[str, str] = {}
    for name, cell in _cells(value):
        if name in cells:
            raise UnusableTable(f"{file}, value {number}: two values would be called {name!a}.")
        if not (name + cell).isascii() and _is_broken(name + cell):
            raise UnusableTable(f"{file}, value {number}: half a character stands in {name!a}.")
        cells[name] = cell
    return ObjectRow(number, cells)


def _is_broken(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _cells(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, one in value.items():
        name = prefix + key
        if isinstance(one, dict):
            yield from _cells(one, "" if key in _NAMELESS else f"{name}_")
        elif isinstance(one, list):
            numbered = {
                f"{_ELEMENTS.get(key, name)}_{place}": each for place, each in enumerate(one, start=1)
            }
            yield from _cells(numbered)
        else:
            yield name, _cell(one)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)
