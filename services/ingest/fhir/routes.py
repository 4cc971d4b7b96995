"""The FHIR routes of ingest: each takes QuestionnaireResponses through the pipeline and responds."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from schemas.fhir.names import MEDIA_TYPE
from services.ingest.batch_response import TOO_MANY_STREAMS
from services.ingest.fhir import texts
from services.ingest.fhir.bundles import process_bundle
from services.ingest.fhir.capability import statement
from services.ingest.metrics import RequestKind
from services.ingest.ndjson import BodyLine
from services.ingest.pipeline import FHIR_SINGLE, FHIR_SINGLE_DRY_RUN, run
from services.ingest.refusal import RefusedRequest
from services.ingest.request_batch import RatingAttempt, RequestBatch, caller_of, context_of, topic_of
from services.ingest.routes import DryRun, History
from services.ingest.stages.admit import check_head, read_body
from services.runtime.http.operation_outcome import PREFIX
from services.runtime.http.request_body import ClientDisconnected

JSON = (MEDIA_TYPE, "application/json")

router = APIRouter(prefix=PREFIX)


@router.post("/QuestionnaireResponse", **texts.SEND_RESPONSE)
async def send_response(request: Request, *, dry_run: DryRun = False, history: History = False) -> Response:
    """Send one QuestionnaireResponse, which is read as a rating.

    `202` means that the rating is stored durably, as for `POST /v1/ratings`; `Location` leads to what became
    of it. `entered-in-error` takes an earlier one back, `amended` replaces it, and `stopped` without an
    answer says that the client gave no form.
    """

    async def respond(batch: RequestBatch, body: bytes) -> Response:
        batch.attempts.append(RatingAttempt(BodyLine(1, body)))
        stages = FHIR_SINGLE_DRY_RUN if dry_run else FHIR_SINGLE
        content = await run(stages, context_of(request), batch)
        headers = {"Location": batch.location} if batch.location else None
        return Response(content, 200 if dry_run else 202, headers, MEDIA_TYPE)

    return await _handled(request, RequestKind.SINGLE, respond, history=history)


@router.post("", **texts.SEND_BUNDLE)
async def send_bundle(request: Request, *, dry_run: DryRun = False, history: History = False) -> Response:
    """Send many QuestionnaireResponses in a Bundle; the response has one entry for each, in the same order.

    In a `batch` or a `collection`, an entry that is refused does not affect the others. A `transaction` is
    refused as a whole when one entry is. Other resources (Encounter, Patient, Practitioner, Questionnaire)
    are read for what the responses refer to, and not stored. If no response arrives, send the bundle again:
    what is stored counts once.
    """
    context = context_of(request)

    async def respond(batch: RequestBatch, body: bytes) -> Response:
        quota = context.quotas.of(batch.practice)
        if quota.streams >= context.settings.max_streams_per_practice:
            raise RefusedRequest(TOO_MANY_STREAMS)
        quota.streams += 1
        try:
            with context.metrics.streams.track_inprogress():
                answer = await process_bundle(context, batch.caller, body, batch.topic, dry_run=dry_run)
        finally:
            quota.streams -= 1
        return Response(answer, media_type=MEDIA_TYPE)

    return await _handled(request, RequestKind.BATCH, respond, history=history)


@router.get("/metadata", **texts.METADATA)
async def metadata() -> Response:
    """Return what these FHIR routes can do, as a CapabilityStatement."""
    return Response(statement(), media_type=MEDIA_TYPE)


async def _handled(
    request: Request,
    kind: RequestKind,
    respond: Callable[[RequestBatch, bytes], Awaitable[Response]],
    *,
    history: bool,
) -> Response:
    context = context_of(request)
    with context.metrics.request_seconds[kind].time():
        batch = RequestBatch(caller_of(request), [], topic=topic_of(history=history))
        limits = context.bundle_limits
        try:
            await check_head(context, batch, request, JSON, limits.max_bytes)
            return await respond(batch, await read_body(request, limits))
        except RefusedRequest as error:
            context.metrics.refused_request(error.refusal.reason)
            raise error.refusal.problem() from None
        except ClientDisconnected:
            return Response(status_code=400)
