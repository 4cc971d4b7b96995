"""Adds headers to every response of an application."""

from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send


def sending_with(send: Send, add: Callable[[MutableHeaders], None]) -> Send:
    """Return what sends a response after `add` has changed its headers."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            add(MutableHeaders(scope=message))
        await send(message)

    return send_with_headers
