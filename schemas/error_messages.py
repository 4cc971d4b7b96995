"""Words validation errors of a rating for its sender: what is wrong and what is expected."""

import re
from typing import Any

_REFERENCES = ("id", "client_id", "therapist_id", "case_id", "session_id")
_MOMENTS = ("session_at", "next_session_at", "recorded_at")

_PSEUDONYM = "send a pseudonymous reference, without white space, control characters or @"
_MOMENT = "a date with time and time zone, such as 2026-11-20T10:00:00+01:00"

_RATING = {
    "marks_missing": (
        "has no marks",
        "items, scores or total; or status declined when the client gave no form",
    ),
    "marks_both": ("has marks more than once", "exactly one of items, scores and total"),
    "marks_unwanted": (
        "has marks but is not rated",
        "neither items nor scores nor total, or status rated",
    ),
}
_WHEN = {
    "timezone_aware": ("has no time zone", _MOMENT),
    "greater_than_equal": ("is before 2000", "a date from 2000 on"),
    "less_than": ("is too far in the future", "a date near now"),
}


def rating_message(field: str, error: dict[str, Any]) -> tuple[str, str] | None:
    """Return message and expectation for an error in `field`; None where the general message is enough."""
    kind = error["type"]
    message = _RATING.get(kind)
    if message is None and kind not in {"missing", "extra_forbidden", "string_type"}:
        if field in _REFERENCES:
            message = _reference(kind, error)
        elif field in _MOMENTS:
            message = _WHEN.get(kind, ("is not a date with time", _MOMENT))
        elif field == "status":
            message = ("is not a status", "rated, declined, withdrawn or cancelled")
        elif field == "instrument":
            message = ("is not an instrument's id", "1 to 64 characters; GET /v1/instruments lists the ids")
    return message


def _reference(kind: str, error: dict[str, Any]) -> tuple[str, str] | None:
    if kind == "string_too_short":
        return "is empty", _PSEUDONYM
    if kind == "string_too_long":
        return "is too long", f"at most {error['ctx']['max_length']} characters"
    if kind == "string_pattern_mismatch":
        return _forbidden(str(error["input"]))
    return None


def _forbidden(value: str) -> tuple[str, str]:
    if re.search("[@\ufe6b\uff20]", value):
        return "looks like an e-mail address", _PSEUDONYM
    if re.search(r"\s", value):
        return "contains white space", _PSEUDONYM
    if re.search("[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]", value):
        return "contains control characters", _PSEUDONYM
    return "cannot be part of a URL", "an id without / \\ ? # %, not starting with a dot"
