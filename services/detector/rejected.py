"""A rejection in, the event that tells operators of it out: the place and the reason, no payload."""

from schemas import topics
from schemas.envelope import HEADERS, RejectedEvent, encode, envelope_fields
from schemas.events import Rejected
from schemas.ids import rejection_id
from services.runtime.record import Outgoing
from services.runtime.transaction import Rejection

_NO_KEY = b"none"


def rejected_event(rejection: Rejection) -> Outgoing:
    """The event, for its input's partition number."""
    key = rejection.key or _NO_KEY
    # A key that none of ours wrote may hold anything: it is handed on as a key, and not repeated as text.
    subject = key if key.isalnum() and key.isascii() else _NO_KEY
    place = (rejection.cluster_id, rejection.topic, rejection.partition, rejection.offset)
    data = Rejected(
        reason=rejection.reason,
        detail=rejection.detail,
        service="detector",
        cluster_id=rejection.cluster_id,
        topic=rejection.topic,
        partition=rejection.partition,
        offset=rejection.offset,
        rejected_at=rejection.rejected_at,
    )
    envelope = envelope_fields(rejection_id(*place), "detector", rejection.rejected_at, subject)
    event = RejectedEvent.model_validate({**envelope, "data": data})
    return Outgoing(topics.REJECTED.name, key, encode(event), rejection.partition, HEADERS)
