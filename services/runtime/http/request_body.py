"""Reads request bodies within limits on size and time: too large is 413, too slow is 408."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyTooLarge(HTTPException):
    """The body is longer than allowed."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


class BodyTooSlow(HTTPException):
    """The body paused for too long, or took too long in all."""

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_TIMEOUT)


class ClientDisconnected(Exception):
    """The caller closed the connection, or reads no more: there is nobody to respond to."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How long a body may be, and how long the service waits for its pieces in all."""

    max_bytes: int
    wait_s: float


class LimitedBodies:
    """Runs an application whose requests' bodies stay within the limits.

    Reading beyond them raises `BodyTooLarge` or `BodyTooSlow`, to which the application responds. A body that
    nobody reads costs nothing, so that a request may be refused before. (Starlette's own limit on size
    responds by itself, in plain text, and there is none on time.)
    """

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limited = _LimitedReceive(receive, self._limits)

        async def send_and_close(message: Message) -> None:
            # A caller whose request is refused before its body was read must not send another after it.
            if message["type"] == "http.response.start" and limited.is_unread and message["status"] >= 400:
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        await self._app(scope, limited, send_and_close if _has_body(scope) else send)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


class _LimitedReceive:
    def __init__(self, receive: Receive, limits: BodyLimits) -> None:
        self._receive = receive
        self._left_bytes = limits.max_bytes
        self._left_s = limits.wait_s
        self.is_unread = True
        """Whether the end of the body was not read yet."""

    async def __call__(self) -> Message:
        if not self.is_unread:
            # Only the end of the connection is still to come.
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._left_s):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow from None
        self._left_s -= time.monotonic() - began
        self._left_bytes -= len(message.get("body", b""))
        if self._left_bytes < 0:
            raise BodyTooLarge
        self.is_unread = message.get("more_body", False)
        return message


async def read_chunks(
    receive: Receive, limits: BodyLimits, *, pause_s: float | None = None
) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, to its end.

    Raises:
        BodyTooLarge: the body has more bytes than allowed.
        BodyTooSlow: nothing arrived for `pause_s` seconds, or it took too long in all.
        ClientDisconnected: the caller closed the connection before the end.
    """
    limited = _LimitedReceive(receive, limits)
    more = True
    while more:
        try:
            async with asyncio.timeout(pause_s):
                message = await limited()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        yield message.get("body", b"")
        more = message.get("more_body", False)
