"""Checks the head of a request before its body is read, and reads the body within its limits."""

from collections.abc import Collection

from fastapi import Request

from schemas.topics import SESSION_HISTORY_RATED, SESSION_RATED, Topic
from services.ingest.refusal import Refusal, RefusalReason, RefusedRequest, too_large, unreadable
from services.ingest.request_batch import Caller, IngestContext, RequestBatch
from services.ingest.stages.admit import authenticate
from services.runtime.http.request_body import BodyLimits, BodyTooLarge, BodyTooSlow, read_chunks


async def check_head(
    context: IngestContext, batch: RequestBatch, request: Request, media_types: Collection[str], most: int
) -> None:
    """Check what the headers say: about the body, and about the caller before the first byte is read.

    The pipeline checks the key again, for each group of a batch.

    Raises:
        RefusedRequest: the content type, charset or encoding is not supported, or the body is too long.
        Problem: the key does not allow it, see `authenticate`.
    """
    headers = request.headers
    media_type, _, rest = headers.get("content-type", "").partition(";")
    charset = rest.lower().partition("charset=")[2].strip(' "')
    if media_type.strip().lower() not in media_types or charset not in {"", "utf-8", "utf8"}:
        raise RefusedRequest(
            Refusal(RefusalReason.MEDIA_TYPE, f"Send `Content-Type: {' or '.join(media_types)}`, in UTF-8.")
        )
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RefusedRequest(Refusal(RefusalReason.MEDIA_TYPE, "Send the body without a `Content-Encoding`."))
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise RefusedRequest(too_large(most))
    await authenticate(context, batch)


async def read_body(request: Request, limits: BodyLimits) -> bytes:
    """Return the whole body.

    Raises:
        RefusedRequest: it is too long or too slow.
        ClientDisconnected: there is nobody to respond to.
    """
    try:
        return b"".join([chunk async for chunk in read_chunks(request.receive, limits)])
    except (BodyTooLarge, BodyTooSlow) as error:
        raise RefusedRequest(unreadable(error, limits.max_bytes)) from None


def context_of(request: Request) -> IngestContext:
    """Return what the stages share."""
    context: IngestContext = request.app.state.context
    return context


def topic_of(*, history: bool) -> Topic:
    """Return the topic of ratings that are history, or of the others."""
    return SESSION_HISTORY_RATED if history else SESSION_RATED


def caller_of(request: Request) -> Caller:
    """Return what the headers say about the caller."""
    return Caller(request.headers.get("authorization"), request.headers.get("rapport-practice"))
