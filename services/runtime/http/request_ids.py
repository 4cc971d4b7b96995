"""Gives each request an id, which its response and every log line about it name."""

import secrets

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.http.response_headers import sending_with

HEADER = "X-Request-Id"
FIELD = "request_id"


class RequestIds:
    """Runs an application under an id per request.

    The id is always our own: one that a caller chooses could hold a client's name, and log lines hold none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        # Not taken back: the server runs each request in a task of its own, and logs what breaks in it.
        structlog.contextvars.bind_contextvars(**{FIELD: request_id})

        def add(headers: MutableHeaders) -> None:
            headers[HEADER] = request_id

        await self._app(scope, receive, sending_with(send, add))
