"""The HTTP routes: each takes a request through the pipeline and responds."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.ingest.batch_response import BatchResponse
from services.ingest.instruments import Instruments, describe_instruments
from services.ingest.metrics import RequestKind
from services.ingest.ndjson import BodyLine
from services.ingest.openapi import texts
from services.ingest.pipeline import BATCH, BATCH_DRY_RUN, SINGLE, SINGLE_DRY_RUN, run
from services.ingest.refusal import RefusedRequest
from services.ingest.request_batch import RatingAttempt, RequestBatch, caller_of, context_of, topic_of
from services.ingest.stages.admit import check_head, read_body
from services.runtime.http.request_body import ClientDisconnected

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
    context = context_of(request)
    with context.metrics.request_seconds[RequestKind.SINGLE].time():
        batch = RequestBatch(caller_of(request), [], topic=topic_of(history=history))
        try:
            await check_head(context, batch, request, JSON, context.settings.max_body_bytes)
            body = await read_body(request, context.single_limits)
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
    context = context_of(request)
    batch = RequestBatch(caller_of(request), [])
    try:
        await check_head(context, batch, request, NDJSON, context.settings.max_batch_bytes)
    except RefusedRequest as error:
        context.metrics.refused_request(error.refusal.reason)
        raise error.refusal.problem() from None
    stages = BATCH_DRY_RUN if dry_run else BATCH
    return BatchResponse(
        context, stages, batch.caller, context.quotas.of(batch.practice), topic_of(history=history)
    )


@router.get("/instruments", **texts.LIST_INSTRUMENTS)
async def list_instruments(request: Request) -> Instruments:
    """List the instruments that a rating may name: items, marks, components and limits, without wording."""
    return describe_instruments(context_of(request).instruments)
