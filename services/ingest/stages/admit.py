"""First stages: check the head of a request, find out for which practice its key sends, and apply the quota.

Excess single ratings are refused; batches are slowed down.
"""

from collections.abc import Collection
from http import HTTPStatus

from fastapi import Request

from schemas.ids import PracticeId
from services.ingest.quota import RESERVED_FOR_SINGLES
from services.ingest.refusal import Refusal, RefusalReason, RefusedRequest, too_large, unreadable
from services.ingest.request_batch import IngestContext, RequestBatch
from services.runtime.http.problem import Problem
from services.runtime.http.request_body import BodyLimits, BodyTooLarge, BodyTooSlow, read_chunks

SCOPE = "ratings:write"
OVERLOADED = Refusal(
    RefusalReason.OVERLOADED,
    "Too many ratings are waiting to be stored. Send this one again with the same id.",
    retry_after_s=1,
)


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


async def authenticate(context: IngestContext, batch: RequestBatch) -> None:
    """Set the batch's practice from the caller's key and the header `Rapport-Practice`, never from the body.

    Raises:
        Problem: 401, 403, 400 or 404 when the key does not allow it; 503 when no keys could be read.
    """
    caller = batch.caller
    try:
        grant = context.credentials.authenticate(caller.authorization, caller.practice, SCOPE)
    except Problem as problem:
        is_ours = problem.status == HTTPStatus.SERVICE_UNAVAILABLE
        context.metrics.refused_request(RefusalReason.NOT_READY if is_ours else RefusalReason.CREDENTIALS)
        raise
    batch.practice = PracticeId(grant.tenant)


async def refuse_excess(context: IngestContext, batch: RequestBatch) -> None:
    """For single ratings: refuse what exceeds the rate or finds no room; it may be sent again."""
    wait_s = context.quotas.of(batch.practice).bucket.take(len(batch.attempts))
    if wait_s:
        batch.refuse(
            Refusal(
                RefusalReason.TOO_FAST,
                "This practice sends more ratings per second than it may. Wait and send again with the same "
                "id, or send a batch: it is slowed down instead of refused.",
                retry_after_s=wait_s,
            )
        )
    elif not context.quotas.has_room(batch.practice):
        batch.refuse(OVERLOADED)


async def pace(context: IngestContext, batch: RequestBatch) -> None:
    """For batches: wait until the rate allows the lines, which slows the sender down.

    If no room is found for as long as an acknowledgement may take, refuse the lines; they may be sent again.
    """
    quota = context.quotas.of(batch.practice)
    async with quota.queue:
        while wait_s := quota.bucket.take(len(batch.attempts), keep=RESERVED_FOR_SINGLES):
            await context.clock.sleep(wait_s)
        if not await context.quotas.wait_for_room(batch.practice, context.settings.ack_deadline_s):
            batch.refuse(OVERLOADED)
