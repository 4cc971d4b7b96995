"""decode: reads the batch's records; a record that cannot be read is rejected alone, with the reason."""

from collections.abc import Sequence

from pydantic import ValidationError

from schemas.envelope import EpisodeChangedEvent, HeartbeatEvent, decode
from services.notifier.domain.planned_notification import PlannedNotification
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Reject


def decode_records(tx: Transaction, records: Sequence[Record]) -> list[PlannedNotification]:
    """Return what a batch contains, in the order of its records."""
    notifications = []
    for record in records:
        try:
            notifications.append(_decode(record))
        except Reject as reject:
            tx.reject(record, reject)
    return notifications


def _decode(record: Record) -> PlannedNotification:
    if record.key is None or record.value is None:
        raise Reject("undecodable", "the record has no key or no value", counts_for_fuse=True)
    try:
        event = decode(record.value)
    except ValidationError as error:
        # The error's own text may quote the payload: only the names of the fields are repeated.
        fields = sorted({".".join(map(str, fault["loc"])) for fault in error.errors(include_input=False)})
        detail = f"these fields are not valid: {', '.join(fields)[:200]}"
        raise Reject("undecodable", detail, counts_for_fuse=True) from None
    if not isinstance(event, EpisodeChangedEvent | HeartbeatEvent):
        detail = f"the event type {event.type} is not allowed on this topic"
        raise Reject("unexpected-event", detail, counts_for_fuse=True)
    return PlannedNotification(event.data, record.partition, record.key)
