"""Decodes records into a batch of ratings, responses and heartbeats, and rejects what it cannot decode.

What was accepted before an erasure is taken out at once: nothing about it is read, stored or published.
"""

import re
from collections.abc import Sequence

import msgspec

from schemas import topics
from schemas.events import Status
from schemas.ids import ClientId, Dyad, PracticeId, TherapistId, dyad_id
from schemas.instruments.catalogue import Catalogue
from schemas.rating import AHEAD, EARLIEST, LATEST, NEXT_AHEAD
from schemas.rating_order import dyad
from schemas.rejected import MAX_KEY_BYTES
from services.detector.domain.dyad_work import Arrival, DyadWork, LogPosition
from services.detector.domain.form import forms_of, is_measure
from services.detector.domain.outcomes import DeliveryOutcome, RejectionReason
from services.detector.domain.rating_rules import broken_rule
from services.detector.received import (
    Arriving,
    BeatEvent,
    Rated,
    RatedEvent,
    Responded,
    RespondedEvent,
    arriving,
)
from services.detector.storage.erased import read_erased
from services.detector.stream.batch import Batch, Tools
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.former_names import Names, read_names
from services.runtime.process.errors import Reject

_REFERENCE = r"[!-?A-~]"
_FIRST_OF_RATING_ID, _OF_RATING_ID = r"[!\"$&-\-0->A-\[\]-~]", r"[!\"$&-.0->A-\[\]-~]"
_PLAIN = re.compile(rf"(?:{_REFERENCE}+\x1f){{3}}{_REFERENCE}*\x1f{_FIRST_OF_RATING_ID}{_OF_RATING_ID}*")
"""Therapist, client, session, case and rating id in ASCII without anything that ingest refuses."""


def decode(tx: Transaction, records: Sequence[Record], catalogue: Catalogue) -> Batch:
    """Return the batch that these records make, the form of each rating made."""
    batch = Batch(tx, len(records))
    _add(batch, tx.cluster_id, records, catalogue)
    return batch


def take_up(batch: Batch, waiting: Sequence[tuple[str, Record]], catalogue: Catalogue) -> None:
    """Add records that waited, each with the Kafka cluster that it was read from."""
    batch.taken_up += waiting
    for cluster_id, record in waiting:
        _add(batch, cluster_id, [record], catalogue)


def _add(batch: Batch, cluster_id: str, records: Sequence[Record], catalogue: Catalogue) -> None:
    arrivals = []
    for record in records:
        try:
            event = read(record)
        except Reject as reject:
            batch.tx.reject(record, reject, cluster_id=cluster_id)
            continue
        if isinstance(event, RatedEvent):
            log = LogPosition.of(cluster_id, record)
            arrivals.append(Arrival(record, log, event.data, _dyad(batch, record, event.data)))
        elif isinstance(event, BeatEvent):
            batch.heartbeats.append((record, event))
        else:
            dyad = _dyad(batch, record, event.data)
            dyad.responses.append(event.data)
            batch.answers.append((cluster_id, record, event.data, dyad.id))
    forms = forms_of([arrival.rating for arrival in arrivals], catalogue)
    for arrival, form in zip(arrivals, forms, strict=True):
        broken = None if surely_valid(arrival.rating) else broken_rule(arrival.rating)
        arrival.form = broken or form
        arrival.is_measure = form is None and is_measure(arrival.rating, catalogue)
    batch.arrivals += arrivals


def surely_valid(rating: Rated) -> bool:
    """Return whether a rating keeps every rule; False when only the full check can tell.

    It takes a sixth of the full check's time, and nearly all ratings need no more.
    """
    soon = rating.accepted_at + AHEAD
    marks = (rating.items is not None) + (rating.scores is not None) + (rating.total is not None)
    return (
        marks == (rating.status is Status.RATED)
        and rating.session_at <= soon
        and (rating.recorded_at is None or rating.recorded_at <= soon)
        and (rating.next_session_at is None or rating.next_session_at <= rating.accepted_at + NEXT_AHEAD)
        and len(rating.instrument) <= 64
        and _PLAIN.fullmatch(
            f"{rating.therapist_id}\x1f{rating.client_id}\x1f{rating.session_id}\x1f{rating.case_id}"
            f"\x1f{rating.rating_id}"
        )
        is not None
    )


def read(record: Record) -> Arriving:
    """Return the event in a record.

    Raises:
        Reject: it is not an event of this system, or not allowed on its topic.
    """
    key = record.key
    if key is None or record.value is None or len(key) > MAX_KEY_BYTES or not key.isascii():
        raise _undecodable(f"a record needs a value and a key of at most {MAX_KEY_BYTES} ASCII characters")
    try:
        event = arriving.decode(record.value)
    except msgspec.ValidationError as error:
        # The text may quote a value; where it stands may be said.
        _, _, where = str(error).rpartition(" - at ")
        raise _undecodable(f"does not fit the contract at {where or 'the top'}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _undecodable("is not JSON") from None
    except RecursionError:
        raise _undecodable("is nested too deep") from None
    _check_storable(event, record.value)
    if (record.topic == topics.THERAPIST_RESPONDED.name) != isinstance(event, RespondedEvent):
        raise Reject(
            RejectionReason.UNEXPECTED_EVENT,
            "this event type is not allowed on this topic",
            counts_for_fuse=True,
        )
    return event


def _check_storable(event: Arriving, value: bytes) -> None:
    """Check what PostgreSQL could not store, or could not give back, of an event that fits the contract."""
    data = event.data
    if isinstance(data, Rated):
        # A time at the end of the calendar does not exist in every zone.
        within = (
            EARLIEST <= data.session_at < LATEST
            and EARLIEST <= data.accepted_at < LATEST
            and (data.recorded_at is None or EARLIEST <= data.recorded_at < LATEST)
            and (data.next_session_at is None or EARLIEST <= data.next_session_at < LATEST)
        )
    else:
        within = EARLIEST <= (data.responded_at if isinstance(data, Responded) else data.sent_at) < LATEST
    if not within:
        raise _undecodable(f"has a time before {EARLIEST.year} or after {LATEST.year}")
    # JSON writes U+0000 with a backslash, which no id of ingest needs.
    if b"\\" in value and any(
        "\0" in text for text in msgspec.structs.astuple(data) if isinstance(text, str)
    ):
        raise _undecodable("has U+0000 in a text")


async def drop_erased(batch: Batch, tools: Tools) -> None:
    """Take out and count what was accepted before its client, therapist or practice was erased."""
    conn = batch.tx.conn
    newest = await tools.erasures.newest(conn)
    if newest is None:
        return
    await tools.erasures.take_back_rejections(batch.tx)
    old = {one.dyad.id: one.dyad.who for one in batch.arrivals if one.rating.accepted_at <= newest}
    old |= {id_: batch.dyads[id_].who for *_, answer, id_ in batch.answers if answer.responded_at <= newest}
    # Everything is erased under the references that it is stored under, and under those that were erased
    # before somebody was renamed.
    names = await read_names(conn, "detector", [(who.practice_id, who.client_id) for who in old.values()])
    until = await read_erased(conn, tools.erasures, old)
    if names.any:
        named = {id_: _current(who, names) for id_, who in old.items()}
        for id_, at in (await read_erased(conn, tools.erasures, named)).items():
            until[id_] = max(at, until.get(id_, at))
    erased = batch.drop(until)
    places = [
        (
            one.log.cluster_id,
            one.record.topic,
            one.log.partition,
            one.log.offset,
            one.rating.practice_id,
            tools.erasures.hashed(("rating", one.rating.practice_id, one.rating.rating_id)),
        )
        for one in erased
    ]
    await tools.erasures.add_places(conn, places)
    batch.counts[DeliveryOutcome.ERASED] += len(erased)


def _current(who: Dyad, names: Names) -> Dyad:
    return who._replace(
        therapist_id=TherapistId(names.therapist(who.practice_id, who.therapist_id).current),
        client_id=ClientId(names.client(who.practice_id, who.client_id).current),
    )


def whose(record: Record) -> tuple[str | None, str | None]:
    """Return practice and rating id of a record that is set aside, so that the balance still adds up."""
    try:
        event = read(record)
    except Reject:
        return None, None
    if isinstance(event, BeatEvent):
        return None, None
    rating_id = event.data.rating_id if isinstance(event, RatedEvent) else None
    return event.data.practice_id, rating_id


def why_unreadable(record: Record) -> str | None:
    """Return why a record cannot be read; None if it can."""
    try:
        read(record)
    except Reject as reject:
        return str(reject)
    return None


def _undecodable(detail: str) -> Reject:
    return Reject(RejectionReason.UNDECODABLE, detail, counts_for_fuse=True)


def _dyad(batch: Batch, record: Record, data: Rated | Responded) -> DyadWork:
    who = dyad(PracticeId(data.practice_id), data)
    id_ = dyad_id(who)
    work = batch.dyads.get(id_)
    if work is None:
        work = batch.dyads[id_] = DyadWork(id_, who, record.key or b"", record.partition)
    return work
