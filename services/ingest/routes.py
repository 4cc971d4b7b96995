"""The doors over HTTP: requests in, through the pipeline, answers out."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.ingest.batch import BatchAnswer
from services.ingest.body import JSON, NDJSON, Gone, Unreadable, check_head, whole
from services.ingest.context import Door
from services.ingest.instruments import Instruments, shown
from services.ingest.metrics import Kind
from services.ingest.ndjson import Line
from services.ingest.openapi import texts
from services.ingest.pipeline import BATCH, BATCH_DRY_RUN, SINGLE, SINGLE_DRY_RUN, run
from services.ingest.request_batch import Caller, Draft, Parcel
from services.ingest.stages.authenticate import authenticate

DryRun = Annotated[bool, Query(description=texts.DRY_RUN)]

router = APIRouter(prefix="/v1")


@router.post("/ratings", **texts.SEND_RATING)
async def send_rating(request: Request, *, dry_run: DryRun = False) -> Response:
    """Send one client's rating of one session.

    `202` means that the rating is stored durably: it is given only after every in-sync replica has it.
    Ratings may come late, in any order and more than once. A newer version of a rating (same client, session
    and instrument) replaces the older one; `status: withdrawn` takes a rating back.
    """
    door = _door(request)
    with door.metrics.request_seconds[Kind.SINGLE].time():
        try:
            check_head(request, JSON, door.settings.max_body_bytes)
            body = await whole(request.receive, door.settings.max_body_bytes, door.settings.read_timeout_s)
        except Unreadable as error:
            door.metrics.refused(error.refusal.reason)
            raise error.refusal.problem() from None
        except Gone:
            return Response(status_code=400)
        parcel = Parcel(_caller(request), [Draft(Line(1, body))])
        answer = await run(SINGLE_DRY_RUN if dry_run else SINGLE, door, parcel)
        return Response(answer, 200 if dry_run else 202, media_type="application/json")


@router.post("/ratings/batch", **texts.SEND_BATCH)
async def send_batch(request: Request, *, dry_run: DryRun = False) -> Response:
    """Send many ratings, one JSON object a line, and read one result a line, in the same order.

    A result is written once its rating is stored durably, while the rest is still being sent; good lines are
    accepted although others fail. A rating whose result did not arrive is to be sent again, with the same id.
    `accepted` is stored; `refused` says what to correct; `retry` is to be sent again after `retry_after`
    seconds; `stopped`, only as the last line, says from which line on nothing was taken. Lines are numbered
    from 1; blank lines are counted and have no result. What is faster than the practice may send is slowed
    down, not refused.
    """
    door = _door(request)
    parcel = Parcel(_caller(request), [])
    try:
        check_head(request, NDJSON, door.settings.max_batch_bytes)
    except Unreadable as error:
        door.metrics.refused(error.refusal.reason)
        raise error.refusal.problem() from None
    await authenticate(door, parcel)  # before the first byte is read; the pipeline does it for each group
    stages = BATCH_DRY_RUN if dry_run else BATCH
    return BatchAnswer(door, stages, parcel.caller, door.shares.of(parcel.practice))


@router.get("/instruments", **texts.LIST_INSTRUMENTS)
async def list_instruments(request: Request) -> Instruments:
    """The questionnaires that a rating may name: items, marks, components and limits, without wording."""
    return shown(_door(request).instruments)


def _door(request: Request) -> Door:
    door: Door = request.app.state.door
    return door


def _caller(request: Request) -> Caller:
    return Caller(request.headers.get("authorization"), request.headers.get("rapport-practice"))
