"""Answers a browser that asks for what does not exist with a calm page; programs still get a problem."""

from collections.abc import Awaitable, Callable
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from services.notifier.web.page_context import PageRenderer

FOR_PROGRAMS = ("/v1/", "/cds-services", "/livez", "/readyz", "/healthz", "/metrics", "/static/")

_Handler = Callable[[Request, Exception], Awaitable[Response]]


def is_for_programs(request: Request) -> bool:
    """Return whether the address is one that a program asks for, not a browser."""
    return request.url.path.startswith(FOR_PROGRAMS)


def answer_with_pages(app: FastAPI, pages: PageRenderer) -> None:
    """Make `app` answer a browser's errors with pages, in the browser's language.

    Call it after the handlers that answer programs are installed.
    """
    problem_of = {
        kind: cast("_Handler", app.exception_handlers[kind])
        for kind in (HTTPException, RequestValidationError)
    }

    async def on_http(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 404)
        if is_for_programs(request) or status not in {404, 405}:
            return await problem_of[HTTPException](request, error)
        return pages.render_message(
            pages.wording(request), "error.not_found_title", "error.not_found", status=status
        )

    async def on_validation(request: Request, error: Exception) -> Response:
        if is_for_programs(request):
            return await problem_of[RequestValidationError](request, error)
        return pages.render_bad_form(pages.wording(request), status=422)

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_validation)
