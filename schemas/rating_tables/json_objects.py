"""Reads JSON, a list of objects or one object per line, into rows of cells."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from schemas.rating_tables.table_errors import UnusableTable

_ANY_NUMBER = {"items": "item"}
"""What the elements of a list are called, followed by their number; by default as the list."""
_NAMELESS = frozenset({"scores"})
"""Objects whose fields have names of their own."""


class ObjectRow(NamedTuple):
    """One object: the number of its line, or its place in the list, and its values by name."""

    number: int
    cells: dict[str, str]


def read_objects(file: Path, text: str) -> list[ObjectRow]:
    """Return the objects of a file, with one cell for each value; lists and objects become several.

    A rating may stand in `{"practice": …, "rating": {…}}`.

    Raises:
        UnusableTable: the text is no JSON, or it holds something else than objects, or FHIR.
    """
    rows = [
        ObjectRow(number, dict(_cells(_rating(value))))
        for number, value in _objects(file, text.lstrip("\ufeff"))
    ]
    if any("resourceType" in row.cells for row in rows):
        raise UnusableTable(
            f"{file} holds FHIR resources, which are not read as a table. Export the answers as a table with"
            " one row for each questionnaire, or send each as a rating to POST /v1/ratings."
        )
    return rows


def _objects(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    values: Iterable[tuple[int, object]]
    try:
        whole = json.loads(text)
    except json.JSONDecodeError as error:
        values = _lines(file, text, error)
    else:
        values = enumerate(_listed(whole), start=1)
    for number, value in values:
        if not isinstance(value, dict):
            raise UnusableTable(f"{file}, value {number}: it is no object; each rating must be one.")
        yield number, value


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
            yield number, json.loads(line)
        except json.JSONDecodeError as error:
            # Where even the first line is no value, the text is one value that is broken.
            place, why = (whole.lineno, whole.msg) if (number, line) == lines[0] else (number, error.msg)
            raise UnusableTable(f"{file}, line {place}: this is no JSON ({why}).") from None


def _rating(value: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value.get("rating"), dict):
        return {"practice_id": value.get("practice"), **value["rating"]}
    return value


def _cells(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, one in value.items():
        name = prefix + key
        if isinstance(one, dict):
            yield from _cells(one, "" if key in _NAMELESS else f"{name}_")
        elif isinstance(one, list):
            numbered = {
                f"{_ANY_NUMBER.get(key, name)}_{place}": each for place, each in enumerate(one, start=1)
            }
            yield from _cells(numbered)
        else:
            yield name, _cell(one)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)
