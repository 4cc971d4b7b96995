"""Records in, notices out; a record that is none of ours is rejected alone, with the reason."""

from collections.abc import Sequence

from pydantic import ValidationError

from schemas.envelope import EpisodeChangedEvent, HeartbeatEvent, decode
from services.notifier.domain.notice import Notice
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Reject


def arrive(tx: Transaction, records: Sequence[Record]) -> list[Notice]:
    """The notices of a batch, in the order of its records."""
    notices = []
    for record in records:
        try:
            notices.append(_notice(record))
        except Reject as reject:
            tx.reject(record, reject)
    return notices


def _notice(record: Record) -> Notice:
    if record.key is None or record.value is None:
        raise Reject("undecodable", "a record without key or value", counts_for_fuse=True)
    try:
        event = decode(record.value)
    except ValidationError as error:
        # The error's own text may quote the payload: only say where it did not fit.
        fields = sorted({".".join(map(str, one["loc"])) for one in error.errors(include_input=False)})
        raise Reject(
            "undecodable", f"does not fit: {', '.join(fields)[:200]}", counts_for_fuse=True
        ) from None
    if not isinstance(event, EpisodeChangedEvent | HeartbeatEvent):
        raise Reject("unexpected-event", f"{event.type} has no place on this topic", counts_for_fuse=True)
    return Notice(event.data, record.partition, record.key)
