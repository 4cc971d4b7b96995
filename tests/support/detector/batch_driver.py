"""Drives the detector's stages over a real PostgreSQL without Kafka."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from schemas import topics
from schemas.envelope import AnyEvent, decode
from schemas.events import Answer, TalkedAbout, TherapistResponded
from schemas.ids import PracticeId, record_key
from schemas.instruments.catalogue import Catalogue
from schemas.rating import RatingBody
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from services.detector.domain.detector import Detector, HeartbeatHistory
from services.detector.domain.practice import Models, PracticeRows
from services.detector.jobs.take_up_blocked import attempt, take_up_blocked
from services.detector.jobs.take_up_in_turn import DYADS
from services.detector.storage.blocked import Waiting, read_in_turn
from services.detector.stream.batch import MOST_FOLDS, Batch, Tools
from services.detector.stream.pipeline import process
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.erasures import pass_gate
from services.runtime.outbox.transaction import Rejection, Transaction
from services.runtime.postgres.connect import Connection
from tests.support.detector.toy_detector import ToyDetector

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""The time at which tests take place."""
KEY_SECRET = b"a secret of thirty-two characters"
PARTITIONS = 4
SentRating = dict[str, Any]


def body(session: float, marks: Sequence[float | None] | None = None, **changes: object) -> SentRating:
    """Return one weekly `wai-9` rating of the same client.

    Session 0 takes place on the day before `NOW`, session -1 a week earlier. Three marks are scores of bond,
    goal and task; no marks mean a declined form.
    """
    at = NOW - timedelta(days=1) + timedelta(weeks=session)
    sent: SentRating = {
        "client_id": "client-1",
        "therapist_id": "therapist-1",
        "session_id": f"s{session}",
        "session_at": at,
        "instrument": "wai-9",
        "status": "declined" if marks is None else "rated",
    }
    if marks is not None:
        sent |= (
            {"scores": dict(zip(("bond", "goal", "task"), marks, strict=True))}
            if len(marks) == 3
            else {"items": marks}
        )
    return sent | changes


def record_of(
    sent: SentRating,
    offset: int,
    *,
    practice: str = "north",
    accepted_at: datetime | None = None,
    now: datetime = NOW,
) -> Record:
    """Return a rating as ingest writes it to the log; it is accepted now, or when its session takes place."""
    rating = RatingBody.model_validate(sent)
    accepted_at = accepted_at or max(now, rating.session_at)
    key = record_key(KEY_SECRET, dyad(PracticeId(practice), rating))
    value = session_rated_value(PracticeId(practice), rating, accepted_at=accepted_at, key=key)
    return Record(topics.SESSION_RATED.name, int(key[:4], 16) % PARTITIONS, offset, 0, key, value)


def answer_of(
    sent: SentRating,
    episode: str,
    answer: Answer,
    revision: int,
    *,
    practice: str = "north",
    topic: TalkedAbout | None = None,
) -> Record:
    """Return a therapist's answer as the notifier writes it to the log."""
    rating = RatingBody.model_validate(sent)
    key = record_key(KEY_SECRET, dyad(PracticeId(practice), rating))
    data = TherapistResponded(
        episode_id=episode,
        answer_revision=revision,
        answer=answer,
        topic=topic,
        practice_id=practice,
        therapist_id=rating.therapist_id,
        client_id=rating.client_id,
        case_id=rating.case_id or "",
        responded_at=NOW,
    )
    event = {
        "specversion": "1.0",
        "id": f"{episode}-{revision}",
        "source": "/rapport/notifier",
        "type": topics.THERAPIST_RESPONDED.name,
        "time": NOW.isoformat(),
        "subject": key.decode(),
        "data": data.model_dump(mode="json", exclude_none=True),
    }
    import msgspec

    value = msgspec.json.encode(event)
    return Record(topics.THERAPIST_RESPONDED.name, int(key[:4], 16) % PARTITIONS, revision, 0, key, value)


@dataclass
class DetectorDriver:
    """One detector over its database, with all records that it would have published so far."""

    conn: AsyncConnection[TupleRow]
    tools: Tools
    now: datetime = NOW
    outgoing: list[Outgoing] = field(default_factory=list)
    offset: int = 0
    cluster_id: str = "cluster-1"

    async def transact(self, work: Callable[[Transaction], Any]) -> list[Outgoing]:
        """Run work in one transaction, and return what it would publish."""
        tx = Transaction(self.conn, self.now, self.cluster_id, _rejected)
        async with self.conn.transaction():
            await pass_gate(self.conn)
            await work(tx)
            for one in tx.rejections:
                await self.conn.execute(
                    'INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", key, value,'
                    " reason, detail, tenant, subject_id, recorded_at)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    (
                        one.cluster_id,
                        one.topic,
                        one.partition,
                        one.offset,
                        one.key,
                        one.value,
                        one.reason,
                        one.detail,
                        one.tenant,
                        one.subject_id,
                        one.rejected_at,
                    ),
                )
        self.outgoing += tx.outgoing
        return tx.outgoing

    async def feed(self, records: Sequence[Record]) -> list[Outgoing]:
        """Process records as one batch, and return what it would publish."""
        return await self.transact(lambda tx: process(tx, records, self.tools))

    async def rate(
        self, *sent: SentRating, practice: str = "north", accepted_at: datetime | None = None
    ) -> list[Outgoing]:
        """Process ratings as one batch, and return what it would publish."""
        records = []
        for one in sent:
            records.append(
                record_of(one, self.offset, practice=practice, accepted_at=accepted_at, now=self.now)
            )
            self.offset += 1
        return await self.feed(records)

    async def take_up_in_turn(self, turns: int | None = None) -> int:
        """Take up what waits until nothing does, or in `turns` transactions; return their number."""

        async def read(conn: Connection) -> list[Waiting]:
            found = await read_in_turn(conn, DYADS, MOST_FOLDS)
            return [one for waiting in found.values() for one in waiting]

        for number in itertools.count():
            if number == turns:
                return number
            tried = await attempt(self.transact, read, self.tools, _count_nothing, takes_all_before=True)
            if tried.error is not None:
                raise tried.error
            if not tried.waiting:
                return number
        raise AssertionError("it counts for ever")

    async def take_up_blocked(self) -> int:
        """Take up what waits for nothing any more, as the sweep does."""
        return await take_up_blocked(self.transact, self.tools, _count_nothing)

    async def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        found = await (await self.conn.execute(sql, parameters)).fetchall()
        await self.conn.commit()
        return found

    async def practice(self, id_: str = "north", tell_from: datetime | None = None) -> None:
        """Add a practice that gets messages about sessions after `tell_from` (None: about all sessions)."""
        await self.conn.execute(
            "INSERT INTO detector.practice (practice_id, added_at, tell_from, max_age_days)"
            " VALUES (%s, %s, %s, %s)",
            (id_, NOW - timedelta(days=700), tell_from, 21),
        )
        await self.conn.commit()


def _count_nothing(_batch: Batch, _at_s: float) -> None:
    pass


def _rejected(rejection: Rejection) -> Outgoing:
    return Outgoing(
        topics.REJECTED.name, rejection.key or b"", rejection.reason.encode(), rejection.partition
    )


def events(outgoing: Sequence[Outgoing], topic: topics.Topic) -> list[AnyEvent]:
    """Return the events published to a topic, decoded by their contract."""
    return [decode(out.value) for out in outgoing if out.topic == topic.name]


def tools_with(detector: Detector, *others: Detector) -> Tools:
    """Return the stages' tools with these models; the first one is the default."""
    return Tools(Models(detector, *others), PracticeRows(), Catalogue.load(), HeartbeatHistory((), 0.1))


@asynccontextmanager
async def detector_driver(url: str, detector: Detector | None = None) -> AsyncIterator[DetectorDriver]:
    """Yield a driver over the migrated database at `url`."""
    conn = await psycopg.AsyncConnection.connect(url)
    try:
        yield DetectorDriver(conn, tools_with(detector or ToyDetector()))
    finally:
        await conn.close()
