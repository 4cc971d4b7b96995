"""First stage: finds out from the caller's key for which practice it sends ratings."""

from schemas.ids import PracticeId
from services.ingest.context import IngestContext
from services.ingest.refusal import RefusalReason
from services.ingest.request_batch import RequestBatch
from services.runtime.http.problem import Problem
from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger

SCOPE = "ratings:write"


async def authenticate(context: IngestContext, batch: RequestBatch) -> None:
    """Set the batch's practice from the caller's key and the header `Rapport-Practice`, never from the body.

    Raises:
        Problem: 401, 403, 400 or 404 when the key does not allow it; 503 when the keys cannot be read.
    """
    caller = batch.caller
    try:
        grant = context.credentials.authenticate(caller.authorization, caller.practice, SCOPE)
    except Problem:
        context.metrics.refused(RefusalReason.CREDENTIALS)
        raise
    except Halt as halt:
        context.metrics.refused(RefusalReason.CREDENTIALS)
        get_logger().error("credentials-unreadable", why=str(halt))
        raise Problem(
            503, "Not ready", "The keys cannot be read. Send again later.", headers={"Retry-After": "5"}
        ) from None
    batch.practice = PracticeId(grant.tenant)
