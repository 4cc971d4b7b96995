"""Error responses (RFC 9457) that say what is wrong and what is expected, and never repeat what was sent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

MEDIA_TYPE = "application/problem+json"
BLANK = "about:blank"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One invalid field: its path, what is wrong, and what is expected."""

    field: str
    message: str
    expected: str = ""


class ErrorInField(BaseModel):
    """One error in a field. Never contains a value that was sent."""

    field: str
    message: str
    expected: str | None = None


class ProblemBody(BaseModel):
    """An error (RFC 9457): what is wrong and what to do."""

    type: str = Field(description="The reason as a URN, or `about:blank`.")
    title: str
    status: int
    detail: str | None = None
    errors: list[ErrorInField] | None = None


SCHEMAS = "#/components/schemas/"
PUBLISHED_NAME = "Problem"


def published_problem(description: str, **more: object) -> dict[str, Any]:
    """Return a response of the OpenAPI document whose body is a problem; `more` goes beside its schema."""
    content = {"schema": {"$ref": f"{SCHEMAS}{PUBLISHED_NAME}"}, **more}
    return {"description": description, "content": {MEDIA_TYPE: content}}


EDGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    408: published_problem("Too slow: the request did not arrive in time"),
    429: published_problem("Too many requests on one connection: wait for a response"),
    431: published_problem("The head of the request has too many bytes or headers"),
}
"""What every route can answer, because the connection ends before a route is asked."""


def retry_later(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response of the OpenAPI document that says when to send again."""
    seconds = {"description": "Seconds to wait before sending again.", "schema": {"type": "integer"}}
    return {**response, "headers": {"Retry-After": seconds}}


class Problem(Exception):
    """An error response; `detail` says what the caller should do."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        *,
        type_: str = BLANK,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.type = type_
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the members of the response body."""
        body: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{k: v for k, v in asdict(e).items() if v} for e in self.errors]
        return body

    def response(self) -> JSONResponse:
        """Return the response."""
        return JSONResponse(self.body(), self.status, self.headers, media_type=MEDIA_TYPE)


# What is expected, by pydantic's error type; pydantic's own messages may quote the input.
_EXPECTED = {
    "missing": "a value",
    "extra_forbidden": "no such field",
    "json_invalid": "valid JSON",
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "timezone_aware": "a date and time with its time zone, as 2026-11-20T10:00:00+01:00",
    "datetime_parsing": "a date and time, as 2026-11-20T10:00:00+01:00",
    "datetime_from_date_parsing": "a date and time, as 2026-11-20T10:00:00+01:00",
    "datetime_type": "a date and time, as 2026-11-20T10:00:00+01:00",
    "uuid_parsing": "a UUID",
}
_LIMITS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "string_too_short": ("min_length", "characters: at least"),
    "string_too_long": ("max_length", "characters: at most"),
    "string_pattern_mismatch": ("pattern", "text that matches"),
    "literal_error": ("expected", "one of"),
    "enum": ("expected", "one of"),
    "too_short": ("min_length", "entries: at least"),
    "too_long": ("max_length", "entries: at most"),
}


def field_errors(error: ValidationError | RequestValidationError) -> list[FieldError]:
    """Return pydantic's errors as paths and expectations, without any value that was sent.

    A path contains only field names of the models and positions: the sender chose the name of an unknown
    field, and it could be personal data.
    """
    found: list[FieldError] = []
    for item in error.errors():
        kind = str(item["type"])
        names = [str(part) for part in item["loc"]]
        if kind == "extra_forbidden" and names:
            names[-1] = "(unknown field)"
        if kind == "json_invalid":
            names = names[:1]
        expected = _EXPECTED.get(kind, "")
        context = item.get("ctx", {})
        if kind in _LIMITS and _LIMITS[kind][0] in context:
            name, words = _LIMITS[kind]
            expected = f"{words} {context[name]}"
        found.append(FieldError(".".join(names), kind.replace("_", " "), expected))
    return found
