"""Words responses of the FHIR routes: an OperationOutcome says what became of a request, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from services.runtime.http.problem import (
    BLANK,
    EDGE_RESPONSES,
    FieldError,
    Problem,
    published_problem,
    retry_later,
)
from services.runtime.http.status_phrase import status_phrase

MEDIA_TYPE = "application/fhir+json"
PREFIX = "/v1/fhir"
"""The paths of all FHIR routes begin so."""

_REASONS = "urn:rapport:problem"
_CODES: Mapping[int, str] = {
    400: "structure",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    408: "timeout",
    413: "too-long",
    415: "not-supported",
    422: "invalid",
    429: "throttled",
    431: "too-long",
    503: "transient",
}
"""The type of issue (FHIR R4) of each status; any other is an exception."""


def is_fhir(request: Request) -> bool:
    """Return whether a request is to a FHIR route, whose errors are OperationOutcomes."""
    path = request.url.path
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def outcome(issues: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return an OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def information(text: str) -> dict[str, Any]:
    """Return an OperationOutcome that only informs."""
    return outcome([{"severity": "information", "code": "informational", "details": {"text": text}}])


def outcome_of(problem: Problem) -> dict[str, Any]:
    """Return the OperationOutcome of an error, an issue for each field; it repeats nothing that was sent."""
    details: dict[str, Any] = {"text": problem.detail or problem.title}
    if problem.type != BLANK:
        details = {"coding": [{"system": _REASONS, "code": problem.type.rpartition(":")[2]}], **details}
    shared = {"severity": "error", "code": _CODES.get(problem.status, "exception")}
    if not problem.errors:
        return outcome([{**shared, "details": details}])
    return outcome([{**shared, **_issue(error, details)} for error in problem.errors])


def published_outcome(description: str, *, at_edge: bool = False, retry: bool = False) -> dict[str, Any]:
    """Return a response of the OpenAPI document whose body is an OperationOutcome.

    `at_edge`: the connection may also be ended before a route is asked, with a problem.
    """
    schema = {
        "type": "object",
        "required": ["resourceType", "issue"],
        "properties": {
            "resourceType": {"const": "OperationOutcome"},
            "issue": {"type": "array", "minItems": 1, "items": {"type": "object"}},
        },
    }
    problem = published_problem("")["content"] if at_edge else {}
    response = {"description": description, "content": {MEDIA_TYPE: {"schema": schema}, **problem}}
    return retry_later(response) if retry else response


FHIR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: published_outcome("Not readable, or a network's key without `Rapport-Practice`"),
    401: published_outcome("Not authenticated: no key, or none that is valid now"),
    403: published_outcome("Not allowed: the key lacks the scope"),
    404: published_outcome("Not found, or nothing that this key may see"),
    422: published_outcome("Not as expected: each issue names the parameter"),
    503: published_outcome("Not available now: send again later", retry=True),
    **EDGE_RESPONSES,
}
"""What every FHIR route but ingest's can answer, beside the resource that is asked for."""


def outcome_response(problem: Problem) -> JSONResponse:
    """Return the response to a request that failed as a whole."""
    return JSONResponse(outcome_of(problem), problem.status, problem.headers, media_type=MEDIA_TYPE)


def status_line(status: int) -> str:
    """Return a status as an entry of a bundle names it, such as `202 Accepted`."""
    return f"{status} {status_phrase(status)}"


def _issue(error: FieldError, details: Mapping[str, Any]) -> dict[str, Any]:
    expected = f" Expected: {error.expected}." if error.expected else ""
    # The path of an element begins with the type of its resource; other fields are parameters.
    place = {"expression": [error.field]} if error.field[:1].isupper() else {}
    return {"details": {**details, "text": f"{error.field} {error.message}.{expected}"}, **place}
