"""Makes an application respond to every error with a problem, or with an OperationOutcome on a FHIR route."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.runtime.http.operation_outcome import is_fhir, outcome_response
from services.runtime.http.problem import PUBLISHED_NAME, SCHEMAS, Problem, ProblemBody, field_errors
from services.runtime.http.status_phrase import status_phrase


def response_to(request: Request, problem: Problem) -> Response:
    """Return the response to a request that failed, in the words of the route that it was sent to."""
    return outcome_response(problem) if is_fhir(request) else problem.response()


def _title(status: int) -> str:
    try:
        return status_phrase(status)
    except ValueError:
        return "Error"


def install(app: FastAPI) -> None:
    """Make the application respond to every error with a problem, and its document describe them."""
    make_document = app.openapi

    def document_with_problems() -> dict[str, Any]:
        document = make_document()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schema = ProblemBody.model_json_schema(ref_template=SCHEMAS + "{model}")
        schemas.update(schema.pop("$defs"))
        schemas[PUBLISHED_NAME] = schema
        return document

    app.openapi = document_with_problems  # type: ignore[method-assign]

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)  # noqa: S101 - starlette passes the type it was registered for
        return response_to(request, error)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
        detail = "Correct the named fields and send again."
        return response_to(request, Problem(422, "Not as expected", detail, errors=field_errors(error)))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as above
        title = _title(error.status_code)
        return response_to(request, Problem(error.status_code, title, headers=error.headers))

    async def on_unexpected(request: Request, _error: Exception) -> Response:
        # The server logs the error, without values.
        return response_to(request, Problem(500, "Internal error", "The fault is ours and was logged."))

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(Exception, on_unexpected)
