"""Answers requests with 503 and `Retry-After` while the database cannot be reached."""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from services.runtime.http.problem import Problem

_RETRY_AFTER_S = 5


def unavailable_problem(_request: Request) -> Response:
    """Return the problem that an API client gets."""
    return Problem(503, "Not available now", "Send again in a moment.").response()


def respond_while_database_away(
    app: FastAPI, response_for: Callable[[Request], Response] = unavailable_problem
) -> None:
    """Make `app` respond with `response_for` when a request fails because the database is away."""

    async def database_away(request: Request, _error: Exception) -> Response:
        response = response_for(request)
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
        return response

    app.add_exception_handler(OperationalError, database_away)
    app.add_exception_handler(PoolTimeout, database_away)
