"""First stages: find out for which practice the caller's key sends, and apply the practice's quota.

Excess single ratings are refused; batches are slowed down.
"""

from http import HTTPStatus

from schemas.ids import PracticeId
from services.ingest.quota import RESERVED_FOR_SINGLES
from services.ingest.refusal import Refusal, RefusalReason
from services.ingest.request_batch import IngestContext, RequestBatch
from services.runtime.http.problem import Problem

SCOPE = "ratings:write"
OVERLOADED = Refusal(
    RefusalReason.OVERLOADED,
    "Too many ratings are waiting to be stored. Send this one again with the same id.",
    retry_after_s=1,
)


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
