"""decode: reads the batch's records; a record that cannot be read is rejected alone, with the reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date

from pydantic import ValidationError

from schemas.envelope import AllianceAssessedEvent, EpisodeChangedEvent, HeartbeatEvent, decode
from schemas.events import AllianceAssessed
from schemas.topics import ASSESSED
from services.notifier.domain.decision import PlannedNotification
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Reject


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What a batch contains, in the order of its records."""

    notifications: list[PlannedNotification]
    assessed: list[AllianceAssessed]
    feed_days: set[tuple[str, date]]
    """The days (UTC) on which something was assessed, each with its practice."""


def decode_records(tx: Transaction, records: Sequence[Record]) -> DecodedBatch:
    """Return what a batch contains; heartbeats count where they pass with the episodes."""
    batch = DecodedBatch([], [], set())
    for record in records:
        try:
            found = _decode(record)
        except Reject as reject:
            tx.reject(record, reject)
            continue
        if isinstance(found, AllianceAssessedEvent):
            batch.assessed.append(found.data)
            batch.feed_days.add((found.data.practice_id, found.time.astimezone(UTC).date()))
        elif record.topic != ASSESSED.name:
            batch.notifications.append(found)
    return batch


def _decode(record: Record) -> PlannedNotification | AllianceAssessedEvent:
    if record.key is None or record.value is None:
        raise Reject("undecodable", "the record has no key or no value", counts_for_fuse=True)
    try:
        event = decode(record.value)
    except ValidationError as error:
        # The error's own text may quote the payload: only the names of the fields are repeated.
        fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        detail = f"these fields are not valid: {', '.join(fields)[:200]}"
        raise Reject("undecodable", detail, counts_for_fuse=True) from None
    if record.topic == ASSESSED.name:
        if isinstance(event, AllianceAssessedEvent):
            return event
    elif isinstance(event, EpisodeChangedEvent):
        return PlannedNotification(event.data, record.partition, record.key)
    if isinstance(event, HeartbeatEvent):
        return PlannedNotification(event.data, record.partition, record.key)
    detail = f"the event type {event.type} is not allowed on this topic"
    raise Reject("unexpected-event", detail, counts_for_fuse=True)
