"""decode: reads the batch's records; a record that cannot be read is rejected alone, with the reason.

What was accepted before its client was erased is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TypeVar

from pydantic import ValidationError

from schemas.envelope import (
    AllianceAssessedEvent,
    ClientRenamedEvent,
    EpisodeChangedEvent,
    HeartbeatEvent,
    MeasureStoredEvent,
    decode,
    error_summary,
)
from schemas.events import AllianceAssessed, ClientRenamed, EpisodeChanged, MeasureStored
from schemas.ids import erasure_subjects
from schemas.rating import EARLIEST, LATEST
from schemas.rejected import MAX_KEY_BYTES
from schemas.topics import ASSESSED
from services.notifier.domain.decision import PlannedNotification
from services.runtime.kafka.record import Record
from services.runtime.outbox.erasures import Erasures, Subject
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.former_names import Names, read_names
from services.runtime.process.errors import Reject
from services.runtime.process.sandbox import is_sandbox

_Named = TypeVar("_Named", EpisodeChanged, AllianceAssessed, MeasureStored)
_About = EpisodeChanged | AllianceAssessed | MeasureStored
_MAX_TEXT = 128
"""Ids are no longer; several of them fit into one row of an index."""
_MAX_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DecodedBatch:
    """What a batch contains, in the order of its records."""

    notifications: list[PlannedNotification]
    assessments: list[AllianceAssessedEvent]
    renamed: list[ClientRenamed] = field(default_factory=list)
    """Clients who got another reference."""
    measures: list[MeasureStoredEvent] = field(default_factory=list)
    """Forms beside the clients' ratings of the alliance."""

    @property
    def assessed(self) -> list[AllianceAssessed]:
        """The assessed sessions."""
        return [one.data for one in self.assessments]

    @property
    def feed_days(self) -> set[tuple[str, date]]:
        """The days (UTC) on which something was assessed, each with its practice; sandboxes may be silent."""
        return {
            (one.data.practice_id, one.time.astimezone(UTC).date())
            for one in self.assessments
            if not is_sandbox(one.data.practice_id)
        }


def decode_records(tx: Transaction, records: Sequence[Record]) -> DecodedBatch:
    """Return what a batch contains; heartbeats count where they pass with the episodes."""
    batch = DecodedBatch([], [])
    for record in records:
        try:
            found = decode_record(record)
        except Reject as reject:
            tx.reject(record, reject)
            continue
        if isinstance(found, AllianceAssessedEvent):
            batch.assessments.append(found)
        elif isinstance(found, MeasureStoredEvent):
            batch.measures.append(found)
        elif isinstance(found, ClientRenamed):
            batch.renamed.append(found)
        elif record.topic != ASSESSED.name:
            batch.notifications.append(found)
    return batch


async def take_names(tx: Transaction, batch: DecodedBatch) -> DecodedBatch:
    """Return the batch with the current references of those who were renamed since it was written."""
    changes = [change for one in batch.notifications if (change := one.change) is not None]
    whose = [(one.practice_id, one.client_id) for one in changes]
    whose += [(one.practice_id, one.client_id) for one in batch.assessed]
    whose += [(one.data.practice_id, one.data.client_id) for one in batch.measures]
    names = await read_names(tx.conn, "notifier", whose)
    if not names.any:
        return batch
    notifications = [
        one if one.change is None else replace(one, event=_named(one.change, names))
        for one in batch.notifications
    ]
    return DecodedBatch(
        notifications,
        [one.model_copy(update={"data": _named(one.data, names)}) for one in batch.assessments],
        measures=[one.model_copy(update={"data": _named(one.data, names)}) for one in batch.measures],
    )


def _named(event: _Named, names: Names) -> _Named:
    therapist = names.therapist(event.practice_id, event.therapist_id).current
    client = names.client(event.practice_id, event.client_id).current
    return event.model_copy(update={"therapist_id": therapist, "client_id": client})


async def drop_erased(tx: Transaction, batch: DecodedBatch, erasures: Erasures) -> DecodedBatch:
    """Leave out what was accepted before its client, therapist or practice was erased: nobody is told."""
    newest = await erasures.newest(tx.conn)
    if newest is None:
        return batch
    await erasures.take_back_rejections(tx)
    abouts: list[_About] = [one.data for one in batch.assessments]
    abouts += [one.data for one in batch.measures]
    abouts += [change for one in batch.notifications if (change := one.change)]
    until = await erasures.until(tx.conn, {subject for about in abouts for subject in _subjects(about)})

    def is_erased(about: _About, at: datetime) -> bool:
        return any(subject in until and at <= until[subject] for subject in _subjects(about))

    return DecodedBatch(
        [one for one in batch.notifications if not (c := one.change) or not is_erased(c, c.accepted_at)],
        [one for one in batch.assessments if not is_erased(one.data, one.time)],
        measures=[one for one in batch.measures if not is_erased(one.data, one.time)],
    )


def _subjects(about: _About) -> tuple[Subject, ...]:
    return erasure_subjects(about.practice_id, about.therapist_id, about.client_id)


def decode_record(
    record: Record,
) -> PlannedNotification | AllianceAssessedEvent | MeasureStoredEvent | ClientRenamed:
    """Return what a record tells.

    Raises:
        Reject: it is not an event of this system, or not allowed on its topic.
    """
    if record.key is None or record.value is None or len(record.key) > MAX_KEY_BYTES:
        detail = f"a record needs a value and a key of at most {MAX_KEY_BYTES} bytes"
        raise Reject("undecodable", detail, counts_for_fuse=True)
    try:
        event = decode(record.value)
    except ValidationError as error:
        # The error's own text may quote the payload.
        raise Reject("undecodable", error_summary(error), counts_for_fuse=True) from None
    for name, value in event.data:
        if not _is_storable(value):
            raise Reject("undecodable", f"{name} cannot be stored", counts_for_fuse=True)
    if record.topic == ASSESSED.name:
        if isinstance(event, AllianceAssessedEvent | MeasureStoredEvent):
            return event
    elif isinstance(event, ClientRenamedEvent):
        return event.data
    elif isinstance(event, EpisodeChangedEvent):
        return PlannedNotification(event.data, record.partition, record.key)
    if isinstance(event, HeartbeatEvent):
        return PlannedNotification(event.data, record.partition, record.key)
    detail = f"the event type {event.type} is not allowed on this topic"
    raise Reject("unexpected-event", detail, counts_for_fuse=True)


def _is_storable(value: object) -> bool:
    """Whether PostgreSQL can store a field's value, index it, and give it back."""
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT and "\0" not in value
    if isinstance(value, int):
        return value <= _MAX_INT
    # A time at the end of the calendar exists in no other zone.
    return not isinstance(value, datetime) or EARLIEST <= value < LATEST
