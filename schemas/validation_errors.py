"""Turns validation errors into violations: field, message and expectation, never a value that was sent."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
MAX_LOGGED_ERRORS = 5
"""Number of errors that a log line names; one bad event can have hundreds."""

_POSITION = re.compile(r"line \d+ column \d+")


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong with what was sent, without its value.

    It may be logged, except for the name of an unknown `field`: that name was sent.
    """

    field: str
    message: str
    expected: str


class InvalidInput(ValueError):
    """What was sent is invalid; `violations` tell its sender why."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("; ".join(f"{each.field}: {each.message}" for each in violations))
        self.violations = tuple(violations)


MessageFor = Callable[[str, dict[str, Any]], tuple[str, str] | None]
"""Takes a field and pydantic's description of its error; returns message and expectation, or None."""


def violations_of(error: ValidationError, message_for: MessageFor) -> tuple[Violation, ...]:
    """Return every violation in a validation error, worded by `message_for` or else in general terms."""
    violations = []
    for each in error.errors(include_url=False):
        place = each["loc"]
        field = _field(place)
        own = message_for(str(place[0]) if place else "", dict(each))
        message, expected = own or _general(dict(each))
        violations.append(Violation(field, _item(place) + message, expected))
    return tuple(violations)


def error_summary(error: ValidationError, known: frozenset[str]) -> str:
    """Return a validation error as one line for a log: fields and kinds of errors, no value.

    A field name that is not among the `known` ones is shown as `?`, because it was sent with the data.
    """
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [
        ".".join(
            ["event", *(str(part) if isinstance(part, int) or part in known else "?" for part in each["loc"])]
        )
        + f": {each['type']}"
        for each in found[:MAX_LOGGED_ERRORS]
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
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    if kind == "too_long":
        return "has too many entries", f"at most {context['max_length']}"
    return "is not valid", "see the schema of a rating"


_MESSAGES = {
    "missing": ("is missing", "it is required"),
    "extra_forbidden": ("is not a field we know", "only the fields of the schema; check the spelling"),
    "model_type": ("is not an object", "one JSON object"),
    "model_attributes_type": ("is not an object", "one JSON object"),
    "string_type": ("is not a text", "a text"),
    "string_unicode": ("is not valid Unicode", "a text in UTF-8"),
    "tuple_type": ("is not a list", "a list of marks, null for an unanswered item"),
    "float_type": ("is not a number", "a number, or null for an unanswered item"),
    "finite_number": ("is not a finite number", "a number, or null for an unanswered item"),
}
