"""A table of ratings (CSV) in, rating bodies as they are sent out; one reader for every command.

Columns: `client_id, therapist_id, session_id, session_at, instrument, item_1 …`, several instruments in one
file allowed; optional `practice_id, id, case_id, status, next_session_at, recorded_at`, and `bond, goal,
task` where a system keeps only scores. No marks at all: the form was declined.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

REQUIRED = ("client_id", "therapist_id", "session_id", "session_at", "instrument")
OPTIONAL = ("id", "case_id", "status", "next_session_at", "recorded_at")
SCORES = ("bond", "goal", "task")
PRACTICE = "practice_id"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: its number in the file (the header is 1), whose it is, and the rating's body."""

    number: int
    practice_id: str | None
    body: dict[str, object]


def item_columns(header: Iterable[str]) -> list[str]:
    """The columns of items in the order of their numbers."""
    numbered = [(int(name[5:]), name) for name in header if name.startswith("item_") and name[5:].isdecimal()]
    return [name for _, name in sorted(numbered)]


def unread_columns(header: Iterable[str]) -> list[str]:
    """Columns that are not read, and so never leave the file."""
    names = list(header)
    read = {*REQUIRED, *OPTIONAL, *SCORES, PRACTICE, *item_columns(names)}
    return [name for name in names if name not in read]


def read_rows(lines: Iterable[str], items_of: Mapping[str, int]) -> Iterator[Row]:
    """The ratings of a table, in its order; `items_of` is the number of items by instrument id.

    A mark that is no number is passed on as it stands, so that whoever validates names the item.

    Raises:
        ValueError: a column is missing.
    """
    rows = csv.DictReader(lines)
    header = [name.strip().removeprefix("\ufeff") for name in rows.fieldnames or ()]
    rows.fieldnames = header
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise ValueError(f"the table lacks the columns {', '.join(missing)}")
    columns = item_columns(header)
    for row in rows:
        values = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
        if any(values.values()):
            yield Row(rows.line_num, values.get(PRACTICE) or None, _body(values, columns, items_of))


def _body(values: Mapping[str, str], columns: list[str], items_of: Mapping[str, int]) -> dict[str, object]:
    body: dict[str, object] = {name: values[name] for name in REQUIRED}
    body |= {name: values[name] for name in OPTIONAL if values.get(name)}
    items = [_mark(values[name]) for name in columns]
    count = items_of.get(values["instrument"], len(items))
    if any(item is not None for item in items):
        # A file of several instruments has the columns of the longest; what lies beyond one's own is empty.
        while len(items) > count and items[-1] is None:
            items.pop()
        body["items"] = items
    elif any(values.get(name) for name in SCORES):
        body["scores"] = {name: _mark(values.get(name, "")) for name in SCORES}
    else:
        body.setdefault("status", "declined")
    return body


def _mark(text: str) -> float | str | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return text
