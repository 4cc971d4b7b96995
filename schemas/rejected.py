"""What is known of a record that was set aside in, the event that tells operators of it out: no payload."""

from schemas.envelope import RejectedEvent, encode, envelope_fields
from schemas.events import Rejected
from schemas.ids import rejection_id

NO_KEY = b"none"
"""The key of an event about a record that had none."""


def rejected_value(rejected: Rejected, key: bytes | None) -> bytes:
    """The record value of the event; `key` is that of the record that was set aside."""
    place = (rejected.cluster_id, rejected.topic, rejected.partition, rejected.offset)
    # A key that none of ours wrote may hold anything: it is handed on as a key, and not repeated as text.
    subject = key if key and key.isalnum() and key.isascii() else NO_KEY
    envelope = envelope_fields(rejection_id(*place), rejected.service, rejected.rejected_at, subject)
    return encode(RejectedEvent.model_validate({**envelope, "data": rejected}))
