"""Reads request bodies, whole or in chunks, within the limits on size and time."""

import asyncio
from collections.abc import AsyncIterator, Collection

from fastapi import Request
from starlette.types import Receive

from services.ingest.refusal import Refusal, RefusalReason

JSON = ("application/json",)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class UnreadableBody(Exception):
    """The body is not read, or not to its end; the refusal says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class ClientDisconnected(Exception):
    """The caller closed the connection, or reads no more: there is nobody to respond to."""


def check_head(request: Request, media_types: Collection[str], max_bytes: int) -> None:
    """Check what the headers say about the body.

    Raises:
        UnreadableBody: the content type, charset or encoding is not supported, or the body is too long.
    """
    headers = request.headers
    media_type, _, rest = headers.get("content-type", "").partition(";")
    charset = rest.lower().partition("charset=")[2].strip(' "')
    if media_type.strip().lower() not in media_types or charset not in {"", "utf-8", "utf8"}:
        raise UnreadableBody(
            Refusal(RefusalReason.MEDIA_TYPE, f"Send `Content-Type: {' or '.join(media_types)}`, in UTF-8.")
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnreadableBody(Refusal(RefusalReason.MEDIA_TYPE, "Send the body without a `Content-Encoding`."))
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise UnreadableBody(too_large(max_bytes))


def too_large(max_bytes: int) -> Refusal:
    """Return the refusal of a body that is longer than allowed."""
    return Refusal(RefusalReason.TOO_LARGE, f"The body may have at most {max_bytes} bytes.")


async def read_chunks(receive: Receive, max_bytes: int, timeout_s: float) -> AsyncIterator[bytes]:
    """Yield the body as it arrives, to its end.

    Raises:
        UnreadableBody: the body has more than `max_bytes`, or nothing arrived for `timeout_s` seconds.
        ClientDisconnected: the caller closed the connection before the end.
    """
    length = 0
    more = True
    while more:
        try:
            async with asyncio.timeout(timeout_s):
                message = await receive()
        except TimeoutError:
            detail = f"No data arrived for {timeout_s:g} seconds."
            raise UnreadableBody(Refusal(RefusalReason.TOO_SLOW, detail)) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk = message.get("body", b"")
        length += len(chunk)
        if length > max_bytes:
            raise UnreadableBody(too_large(max_bytes))
        yield chunk
        more = message.get("more_body", False)


async def read_body(receive: Receive, max_bytes: int, timeout_s: float) -> bytes:
    """Return the whole body.

    Raises:
        UnreadableBody: the body has more than `max_bytes`, or nothing arrived for `timeout_s` seconds.
        ClientDisconnected: the caller closed the connection before the end.
    """
    return b"".join([chunk async for chunk in read_chunks(receive, max_bytes, timeout_s)])
