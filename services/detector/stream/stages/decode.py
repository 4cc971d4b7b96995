"""Records in, arrivals by dyad out; what cannot be read is rejected alone, heartbeats stand apart."""

from collections.abc import Sequence

import msgspec

from schemas import topics
from schemas.ids import CaseId, ClientId, Dyad, PracticeId, TherapistId, dyad_id
from services.detector.contracts import (
    Arriving,
    BeatEvent,
    Rated,
    RatedEvent,
    Responded,
    RespondedEvent,
    arriving,
)
from services.detector.domain.reasons import RejectionReason
from services.detector.stream.batch import Arrival, Batch, DyadWork
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Reject


def decode(tx: Transaction, records: Sequence[Record]) -> Batch:
    """The batch that these records make."""
    batch = Batch(tx)
    for record in records:
        try:
            event = read(record)
        except Reject as reject:
            tx.reject(record, reject)
            continue
        if isinstance(event, RatedEvent):
            batch.arrivals.append(Arrival(record, event.data, _dyad(batch, record, event.data)))
        elif isinstance(event, BeatEvent):
            batch.beats.append((record, event))
        else:
            _dyad(batch, record, event.data).responses.append(event.data)
    return batch


def read(record: Record) -> Arriving:
    """The event in a record.

    Raises:
        Reject: it is none of ours, or has no place on its topic.
    """
    if record.key is None or record.value is None or not record.key.isascii():
        raise _undecodable("a record needs a value and a key of ASCII characters")
    try:
        event = arriving.decode(record.value)
    except msgspec.ValidationError as error:
        # The text may quote a value; where it stands may be said.
        _, _, where = str(error).rpartition(" - at ")
        raise _undecodable(f"does not fit the contract at {where or 'the top'}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _undecodable("is not JSON") from None
    if (record.topic == topics.THERAPIST_RESPONDED.name) != isinstance(event, RespondedEvent):
        raise Reject(
            RejectionReason.UNEXPECTED_EVENT, "such an event has no place on this topic", counts_for_fuse=True
        )
    return event


def whose(record: Record) -> tuple[str | None, str | None]:
    """The practice and the rating of a record that is set aside, so that its balance still adds up."""
    try:
        event = read(record)
    except Reject:
        return None, None
    if isinstance(event, BeatEvent):
        return None, None
    rating_id = event.data.rating_id if isinstance(event, RatedEvent) else None
    return event.data.practice_id, rating_id


def _undecodable(detail: str) -> Reject:
    return Reject(RejectionReason.UNDECODABLE, detail, counts_for_fuse=True)


def _dyad(batch: Batch, record: Record, data: Rated | Responded) -> DyadWork:
    who = Dyad(
        PracticeId(data.practice_id),
        TherapistId(data.therapist_id),
        ClientId(data.client_id),
        CaseId(data.case_id),
    )
    id_ = dyad_id(who)
    work = batch.dyads.get(id_)
    if work is None:
        work = batch.dyads[id_] = DyadWork(id_, who, record.key or b"", record.partition)
    return work
