"""A rejection in, the event that tells operators of it out."""

from dataclasses import asdict

from schemas.envelope import HEADERS
from schemas.events import Rejected
from schemas.rejected import NO_KEY, rejected_value
from schemas.topics import REJECTED
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.transaction import Rejection


def rejected_event(rejection: Rejection) -> Outgoing:
    """The event, for its input's partition number."""
    told = {name: value for name, value in asdict(rejection).items() if name in Rejected.model_fields}
    value = rejected_value(Rejected(service="detector", **told), rejection.key)
    return Outgoing(REJECTED.name, rejection.key or NO_KEY, value, rejection.partition, HEADERS)
