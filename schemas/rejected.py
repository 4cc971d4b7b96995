"""Builds the `alliance.rejected.v1` record about a record that was set aside, without its payload."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from schemas.envelope import HEADERS, RejectedEvent, encode, envelope_fields
from schemas.events import Rejected
from schemas.ids import rejection_id
from schemas.topics import REJECTED

NO_KEY = b"none"
"""The key of an event about a record that had none, or one too long."""
MAX_KEY_BYTES = 255
"""Keys of our records have 32 bytes; a longer one may make the event larger than Kafka accepts."""

_Outgoing_co = TypeVar("_Outgoing_co", covariant=True)


class RejectedRecord(Protocol):
    """A record that a service set aside: where it stands in the log, and why it was rejected."""

    @property
    def cluster_id(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def reason(self) -> str: ...
    @property
    def detail(self) -> str: ...
    @property
    def rejected_at(self) -> datetime: ...
    @property
    def key(self) -> bytes | None: ...


class MakeOutgoing(Protocol[_Outgoing_co]):
    """Builds a record to publish from its topic, key, value, partition and headers."""

    def __call__(
        self, topic: str, key: bytes, value: bytes, partition: int, headers: tuple[tuple[str, bytes], ...], /
    ) -> _Outgoing_co: ...


def rejected_events(
    service: str, outgoing: MakeOutgoing[_Outgoing_co]
) -> Callable[[RejectedRecord], _Outgoing_co]:
    """Return the function that turns a record rejected by `service` into the event record to publish.

    The event has its input's partition number and key, so that it can be matched with the input.
    """

    def rejected_event(record: RejectedRecord) -> _Outgoing_co:
        rejected = Rejected(
            service=service,
            reason=record.reason,
            detail=record.detail,
            cluster_id=record.cluster_id,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            rejected_at=record.rejected_at,
        )
        key = record.key if record.key and len(record.key) <= MAX_KEY_BYTES else NO_KEY
        return outgoing(REJECTED.name, key, rejected_value(rejected, key), record.partition, HEADERS)

    return rejected_event


def rejected_value(rejected: Rejected, key: bytes | None) -> bytes:
    """Return the encoded event; `key` is the key of the rejected record."""
    position = (rejected.cluster_id, rejected.topic, rejected.partition, rejected.offset)
    # A foreign producer may have written anything into its key: only a key of our form is repeated as text.
    subject = key if key and key.isalnum() and key.isascii() else NO_KEY
    envelope = envelope_fields(rejection_id(*position), rejected.service, rejected.rejected_at, subject)
    return encode(RejectedEvent.model_validate({**envelope, "data": rejected}))
