"""Answers requests with 503 and `Retry-After` while the database is away or takes too long."""

from collections.abc import Callable

from fastapi import FastAPI, Request
from fastapi.responses import Response
from psycopg import OperationalError
from psycopg.errors import QueryCanceled
from psycopg_pool import PoolTimeout

from services.runtime.http.error_responses import response_to
from services.runtime.http.problem import Problem

_RETRY_AFTER_S = 5


def unavailable_problem(request: Request, error: Exception) -> Response:
    """Return the problem that an API client gets."""
    if isinstance(error, QueryCanceled):
        detail = "The database did not answer in time: send again in a moment, or ask for less at a time."
        return response_to(request, Problem(503, "Took too long", detail))
    return response_to(request, Problem(503, "Not available now", "Send again in a moment."))


def respond_while_database_away(
    app: FastAPI, response_for: Callable[[Request, Exception], Response] = unavailable_problem
) -> None:
    """Make `app` respond with `response_for` when a request fails because of the database.

    A statement that PostgreSQL ended after its time is an `OperationalError`, too.
    """

    async def database_away(request: Request, error: Exception) -> Response:
        response = response_for(request, error)
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
        return response

    app.add_exception_handler(OperationalError, database_away)
    app.add_exception_handler(PoolTimeout, database_away)
