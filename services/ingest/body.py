"""Request bodies: what the caller sends in, whole or in pieces; never more of it or longer than allowed."""

import asyncio
from collections.abc import AsyncIterator, Collection

from fastapi import Request
from starlette.types import Receive

from services.ingest.refusal import Reason, Refusal

JSON = ("application/json",)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class Unreadable(Exception):
    """The body is not read, or not to its end; the refusal says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Gone(Exception):
    """The caller went away before the body's end: nobody is there to answer to."""


def check_head(request: Request, media_types: Collection[str], max_bytes: int) -> None:
    """Check what the headers say of the body.

    Raises:
        Unreadable: another content type, charset or encoding than we read, or longer than allowed.
    """
    headers = request.headers
    media_type, _, rest = headers.get("content-type", "").partition(";")
    charset = rest.lower().partition("charset=")[2].strip(' "')
    if media_type.strip().lower() not in media_types or charset not in {"", "utf-8", "utf8"}:
        raise Unreadable(
            Refusal(Reason.MEDIA_TYPE, f"Send `Content-Type: {' or '.join(media_types)}`, in UTF-8.")
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Unreadable(Refusal(Reason.MEDIA_TYPE, "Send the body without a `Content-Encoding`."))
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise Unreadable(too_large(max_bytes))


def too_large(max_bytes: int) -> Refusal:
    """The refusal of a body that is longer than allowed."""
    return Refusal(Reason.TOO_LARGE, f"The body may have at most {max_bytes} bytes.")


async def pieces(receive: Receive, max_bytes: int, timeout_s: float) -> AsyncIterator[bytes]:
    """The body as it arrives. Ends only where the caller ended it.

    Raises:
        Unreadable: more than `max_bytes` came, or nothing for `timeout_s` seconds.
        Gone: the caller went away.
    """
    length = 0
    more = True
    while more:
        try:
            async with asyncio.timeout(timeout_s):
                message = await receive()
        except TimeoutError:
            raise Unreadable(Refusal(Reason.TOO_SLOW, f"Nothing came for {timeout_s:g} seconds.")) from None
        if message["type"] == "http.disconnect":
            raise Gone
        piece = message.get("body", b"")
        length += len(piece)
        if length > max_bytes:
            raise Unreadable(too_large(max_bytes))
        yield piece
        more = message.get("more_body", False)


async def whole(receive: Receive, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body.

    Raises:
        Unreadable: it is longer than `max_bytes`, or stopped coming.
        Gone: the caller went away.
    """
    return b"".join([piece async for piece in pieces(receive, max_bytes, timeout_s)])
