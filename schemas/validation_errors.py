"""Validation errors in, violations out: which field, what is wrong, what is expected. Never a value."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
MOST_FAULTS = 5
"""As many faults are named in a log line; one bad event can have hundreds."""

_POSITION = re.compile(r"line \d+ column \d+")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with what was sent. Says nothing about the value, so it may be logged,
    except for `field` when it is unknown to us: that name came from the sender."""

    field: str
    message: str
    expected: str


class InvalidInput(ValueError):
    """What was sent cannot be taken; `violations` says why, for its sender to read."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in violations))
        self.violations = tuple(violations)


MessageFor = Callable[[str, dict[str, Any]], tuple[str, str] | None]
"""An error's field and pydantic's description of it in; message and expectation out; None: no own words."""


def violations_of(error: ValidationError, message_for: MessageFor) -> tuple[Violation, ...]:
    """Every violation in a validation error; `message_for` is asked first, then the general words."""
    found = []
    for each in error.errors(include_url=False):
        place = each["loc"]
        field = _field(place)
        own = message_for(str(place[0]) if place else "", dict(each))
        message, expected = own or _general(dict(each))
        found.append(Violation(field, _item(place) + message, expected))
    return tuple(found)


def error_summary(error: ValidationError, known: frozenset[str]) -> str:
    """A validation error as one line for a log: places and kinds, no value.

    A name in a place that is not among `known` field names is shown as `?`, because it came with the data.
    """
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [
        ".".join(
            ["event", *(str(part) if isinstance(part, int) or part in known else "?" for part in each["loc"])]
        )
        + f": {each['type']}"
        for each in found[:MOST_FAULTS]
    ]
    more = len(found) - len(lines)
    return "; ".join([*lines, f"and {more} more"] if more else lines)


def _field(place: tuple[int | str, ...]) -> str:
    names = [part for part in place if isinstance(part, str)]
    if not names:
        return "body"
    return ".".join(name if _FIELD_NAME.fullmatch(name) else "(unreadable name)" for name in names)


def _item(place: tuple[int | str, ...]) -> str:
    number = next((part for part in place if isinstance(part, int)), None)
    return "" if number is None else f"item {number + 1} "


def _general(error: dict[str, Any]) -> tuple[str, str]:
    kind = error["type"]
    context = error.get("ctx", {})
    if kind == "json_invalid":
        position = _POSITION.search(str(context.get("error", "")))
        where = f" ({position.group()})" if position else ""
        return f"is not JSON{where}", "one JSON object"
    if kind in _WORDS:
        return _WORDS[kind]
    if kind == "too_long":
        return "has too many entries", f"at most {context['max_length']}"
    return "is not valid", "see the schema of a rating"


_WORDS = {
    "missing": ("is missing", "it is required"),
    "extra_forbidden": ("is not a field we know", "only the fields of the schema; check the spelling"),
    "model_type": ("is not an object", "one JSON object"),
    "model_attributes_type": ("is not an object", "one JSON object"),
    "string_type": ("is not a text", "a text"),
    "string_unicode": ("is not valid Unicode", "a text in UTF-8"),
    "tuple_type": ("is not a list", "a list of marks, null where an item was not answered"),
    "float_type": ("is not a number", "a number, or null where an item was not answered"),
    "finite_number": ("is not a finite number", "a number, or null where an item was not answered"),
}
