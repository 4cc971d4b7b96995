"""The HTTP routes: each takes a request through the pipeline and responds."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from schemas.topics import SESSION_HISTORY_RATED, SESSION_RATED, Topic
from services.ingest.batch_response import BatchResponse
from services.ingest.instruments import Instruments, describe_instruments
from services.ingest.metrics import RequestKind
from services.ingest.ndjson import BodyLine
from services.ingest.openapi import texts
from services.ingest.pipeline import BATCH, BATCH_DRY_RUN, SINGLE, SINGLE_DRY_RUN, run
from services.ingest.refusal import Refusal, RefusalReason, RefusedRequest, too_large, unreadable
from services.ingest.request_batch import Caller, IngestContext, RatingAttempt, RequestBatch
from services.ingest.stages.admit import authenticate
from services.runtime.http.request_body import BodyTooLarge, BodyTooSlow, ClientDisconnected, read_chunks

JSON = ("application/json",)
NDJSON = ("application/x-ndjson", "application/ndjson", "application/jsonl")

DryRun = Annotated[bool, Query(description=texts.DRY_RUN)]
History = Annotated[bool, Query(description=texts.HISTORY)]

router = APIRouter(prefix="/v1")


@router.post("/ratings", **texts.SEND_RATING)
async def send_rating(request: Request, *, dry_run: DryRun = False, history: History = False) -> Response:
    """Send one client's rating of one session.

    `202` means that the rating is stored durably: every in-sync replica has it. Ratings may be sent late, in
    any order and more than once. A newer version of a rating (same client, session and instrument) replaces
    the older one; `status: withdrawn` takes a rating back, and `status: cancelled` says that the appointment
    did not take place.
    """
    context = _context(request)
    with context.metrics.request_seconds[RequestKind.SINGLE].time():
        batch = RequestBatch(_caller(request), [], topic=_topic(history=history))
        try:
            await _check_head(context, batch, request, JSON, context.settings.max_body_bytes)
            body = await _read_body(context, request)
        except RefusedRequest as error:
            context.metrics.refused_request(error.refusal.reason)
            raise error.refusal.problem() from None
        except ClientDisconnected:
            return Response(status_code=400)
        batch.attempts.append(RatingAttempt(BodyLine(1, body)))
        response_body = await run(SINGLE_DRY_RUN if dry_run else SINGLE, context, batch)
        return Response(response_body, 200 if dry_run else 202, media_type="application/json")


@router.post("/ratings/batch", **texts.SEND_BATCH)
async def send_batch(request: Request, *, dry_run: DryRun = False, history: History = False) -> Response:
    """Send many ratings, one JSON object per line, and read one result per line, in the same order.

    Results are streamed while the rest of the batch is still being sent, each once its rating is stored
    durably. A line that is refused does not affect the others. Send a rating whose result did not arrive
    again, with the same id.

    `accepted`: the rating is stored. `refused`: the result says what to correct. `retry`: send the rating
    again after `retry_after` seconds. `stopped`, only as the last line: nothing from that line on was
    accepted. Lines are numbered from 1; blank lines are counted and have no result. A practice that sends
    faster than it may is slowed down, not refused.
    """
    context = _context(request)
    batch = RequestBatch(_caller(request), [])
    try:
        await _check_head(context, batch, request, NDJSON, context.settings.max_batch_bytes)
    except RefusedRequest as error:
        context.metrics.refused_request(error.refusal.reason)
        raise error.refusal.problem() from None
    stages = BATCH_DRY_RUN if dry_run else BATCH
    return BatchResponse(
        context, stages, batch.caller, context.quotas.of(batch.practice), _topic(history=history)
    )


@router.get("/instruments", **texts.LIST_INSTRUMENTS)
async def list_instruments(request: Request) -> Instruments:
    """List the instruments that a rating may name: items, marks, components and limits, without wording."""
    return describe_instruments(_context(request).instruments)


async def _check_head(
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


async def _read_body(context: IngestContext, request: Request) -> bytes:
    limits = context.single_limits
    try:
        return b"".join([chunk async for chunk in read_chunks(request.receive, limits)])
    except (BodyTooLarge, BodyTooSlow) as error:
        raise RefusedRequest(unreadable(error, limits.max_bytes)) from None


def _context(request: Request) -> IngestContext:
    context: IngestContext = request.app.state.context
    return context


def _topic(*, history: bool) -> Topic:
    return SESSION_HISTORY_RATED if history else SESSION_RATED


def _caller(request: Request) -> Caller:
    return Caller(request.headers.get("authorization"), request.headers.get("rapport-practice"))
