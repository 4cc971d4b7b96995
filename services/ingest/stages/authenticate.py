"""First stage: the caller's headers in, the practice that is spoken for out."""

from schemas.ids import PracticeId
from services.ingest.context import Door
from services.ingest.refusal import Reason
from services.ingest.request_batch import Parcel
from services.runtime.http.problem import Problem
from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger

SCOPE = "ratings:write"


async def authenticate(door: Door, parcel: Parcel) -> None:
    """Find out for which practice the caller may send ratings. The payload has no say in it.

    Raises:
        Problem: 401, 403, 400 or 404, as the credentials have it; 503 when they cannot be read at all.
    """
    caller = parcel.caller
    try:
        grant = door.credentials.authenticate(caller.authorization, caller.practice, SCOPE)
    except Problem:
        door.metrics.refused(Reason.CREDENTIALS)
        raise
    except Halt as halt:
        door.metrics.refused(Reason.CREDENTIALS)
        get_logger().error("credentials-unreadable", why=str(halt))
        raise Problem(
            503, "Not ready", "The keys cannot be read. Send again later.", headers={"Retry-After": "5"}
        ) from None
    parcel.practice = PracticeId(grant.tenant)
