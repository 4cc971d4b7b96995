"""Decides dyads again whose published events the database lost when it was restored.

A dyad waits until everything that was accepted before the restore has been read again. Then its whole history
is assessed once, and compared with what had been published: only what differs is told.
"""

from hashlib import sha256

from msgspec.structs import replace

from schemas import topics
from schemas.envelope import HEADERS
from schemas.events import Status
from schemas.ids import PracticeId, RatingIdentity, assessment_id
from schemas.rating_order import identity
from services.detector.contracts import (
    Assessed,
    AssessedEvent,
    ChangedEvent,
    MeasureEvent,
    StoredMeasure,
    encode,
    envelope,
    pack,
    unpack_numbers,
)
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.outcomes import Count
from services.detector.domain.published_episodes import with_published
from services.detector.storage import published_before
from services.detector.stream.batch import Batch
from services.detector.stream.stages.store import write_dyads
from services.runtime.kafka.record import Outgoing


async def take_up_published(batch: Batch) -> None:
    """Give each such dyad what was published of it; take those that wait out of the batch."""
    restored = [dyad for dyad in batch.dyads.values() if dyad.is_restored]
    conn = batch.tx.conn
    ready = await published_before.read_on(conn, {dyad.partition for dyad in restored})
    waiting = [dyad for dyad in restored if dyad.partition not in ready]
    # Their ratings are stored, so their histories have new revisions and their snapshots are not used.
    await write_dyads(conn, waiting)
    for dyad in waiting:
        del batch.dyads[dyad.id]
    for id_, event in await published_before.read_events(conn, [dyad.id for dyad in restored]):
        if (found := batch.dyads.get(id_)) is not None:
            found.published.append(event)
    for dyad in restored:
        dyad.refold = True
        changes = [event.data for event in dyad.published if isinstance(event, ChangedEvent)]
        dyad.decision = with_published(dyad.decision, changes)


def compare_history(dyad: DyadWork) -> None:
    """Have every session assessed again, except leading ones that an earlier model assessed; publish all."""
    sessions = [*dyad.sessions, *dyad.without_form]
    orders = [one.version.order for one in sessions if not _keeps_risk(one, dyad.practice.model.version)]
    dyad.changed_from = min(orders, default=None)
    for session in sessions:
        session.numbers = b""
        if dyad.changed_from is not None and session.version.order >= dyad.changed_from:
            session.stored = None


def _keeps_risk(session: SessionWork, model_version: str) -> bool:
    if not session.numbers or session.version.is_measure:
        return False
    numbers = unpack_numbers(session.numbers)
    return numbers.rating_id == session.version.rating.rating_id and numbers.model_version != model_version


def withdraw_vanished(batch: Batch) -> None:
    """Publish that assessments are withdrawn whose ratings are neither stored nor in the log any more."""
    for dyad in batch.dyads.values():
        held = {
            identity(dyad.who.practice_id, session.version.rating)
            for session in (*dyad.sessions, *dyad.without_form)
        }
        last: dict[RatingIdentity, Assessed | StoredMeasure] = {}
        for event in dyad.published:
            if isinstance(event, AssessedEvent | MeasureEvent):
                last[identity(PracticeId(event.data.practice_id), event.data)] = event.data
        for of_rating, assessed in last.items():
            if of_rating not in held and assessed.status is not Status.WITHDRAWN:
                _withdraw(batch, dyad, of_rating, assessed)


def _withdraw(
    batch: Batch, dyad: DyadWork, of_rating: RatingIdentity, published: Assessed | StoredMeasure
) -> None:
    taken_back = {"status": Status.WITHDRAWN, "revision": dyad.revision_floor + 1, "components": {}}
    data: Assessed | StoredMeasure
    if isinstance(published, StoredMeasure):
        kind = "alliance.measure-stored.v1"
        data = replace(published, **taken_back, total=None)
    else:
        kind = "alliance.assessed.v1"
        data = replace(
            published,
            **taken_back,
            ratings=0,
            early=False,
            risk=None,
            leading_component=None,
            threshold=None,
            statistics_version=None,
        )
    at = batch.tx.now
    hashed = sha256(encode(data) + pack(at)).hexdigest()
    event_id = assessment_id(dyad.id, of_rating, data.revision, hashed)
    value = envelope(kind, event_id, at, dyad.key, data)
    batch.tx.publish(Outgoing(topics.ASSESSED.name, dyad.key, value, dyad.partition, HEADERS))
    batch.counts[Count.PUBLISHED] += 1
