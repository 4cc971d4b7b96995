"""Looks for events that a service published and that its database does not know, because it was restored.

Each process stores how far it has published. When partitions are assigned, it reads what follows in the
topics that the service alone writes: in operation that is what was published in the last seconds, and known.

Where such a log ends before what was published, it lost its end, maybe before its readers had come so far:
what is missing there is published again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

import aiokafka
import msgspec
from aiokafka import AIOKafkaConsumer

from services.runtime.kafka.client_options import client_options
from services.runtime.kafka.record import Outgoing, Record, TopicPartition
from services.runtime.outbox.committer import Committer
from services.runtime.postgres.connect import Connection
from services.runtime.process.cli_plugin import StoredEvent
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.log import get_logger
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import KafkaSettings

_RECORDS_AT_ONCE = 2_000
_KAFKA_DEADLINE_S = 15.0
LOOKS_AT_THE_END = 4
BETWEEN_LOOKS_S = 0.5
"""A new leader may show an earlier end for a moment, until it knows what its followers have."""


@dataclass(frozen=True, slots=True)
class FoundRecords:
    """Records of one written topic's partition, in order, which the database may not know."""

    cluster_id: str
    partition: int
    records: Sequence[Record]
    read_until: Mapping[str, int]
    """For each consumed topic the end of this partition now; 0 where it holds no records."""


@dataclass(frozen=True, slots=True)
class PublishedTopics:
    """The topics that only this service writes, and what it does about events that its database lacks."""

    topics: Sequence[str]
    take_up: Callable[[Connection, FoundRecords], Awaitable[int]]
    """Stores what the database lacks, in an open transaction; returns the number of such events. Repeating it
    changes nothing."""
    stored: Callable[[Connection, datetime], Awaitable[Sequence[StoredEvent]]] | None = None
    """Returns what was published since a time, as far as the database can tell, oldest first."""
    headers: Sequence[tuple[str, bytes]] = ()
    """The headers that these records are published with."""
    kept_s: float = 0.0
    """How long the logs keep them at least; what is older may be missing for a good reason."""


async def _take_up_nothing(_connection: Connection, _found: FoundRecords) -> int:
    return 0


NOTHING_PUBLISHED = PublishedTopics((), _take_up_nothing)
"""For a service that writes no topic of its own."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at the logs, which is stored as it goes."""

    connection: Connection
    committer: Committer
    published: PublishedTopics
    read_until: Mapping[aiokafka.TopicPartition, int]
    short: AbstractSet[aiokafka.TopicPartition]
    """The logs that end before what was published to them."""
    held: set[str] = field(default_factory=set)
    """The ids of the events that the short ones hold."""

    async def take_up(self, key: aiokafka.TopicPartition, records: Sequence[Record]) -> int:
        """Store what the database lacks of these records of one log; return how many events that are."""
        if key in self.short:
            self.held.update(map(_event_id, records))
        until = {one.topic: end for one, end in self.read_until.items() if one.partition == key.partition}
        lacking = 0
        # A stack with the next records on top: those that fail because of their data are halved.
        stack = [records]
        while stack:
            part = stack.pop()
            found = FoundRecords(self.committer.cluster_id, key.partition, part, until)
            try:
                async with self.connection.transaction():
                    lacking += await self.published.take_up(self.connection, found)
                    await self._note(key, part)
            except Exception as error:
                if retry_reason(error) is not None or isinstance(error, Halt):
                    raise
                if middle := len(part) // 2:
                    stack += [part[middle:], part[:middle]]
                    continue
                # This service writes none that it cannot store, so another program did.
                get_logger().error("foreign-record-passed-over", record=repr(part[0]), exc_info=error)
                async with self.connection.transaction():
                    await self._note(key, part)
        return lacking

    async def _note(self, key: aiokafka.TopicPartition, records: Sequence[Record]) -> None:
        # What a short one lost is noticed again, should this process end before it is in the outbox.
        if key not in self.short:
            end = {(key.topic, key.partition): records[-1].offset + 1}
            await self.committer.positions.note_published(self.connection, self.committer.cluster_id, end)


class PublishedCheck:
    """Reads the ends of the written topics' logs; `report_alive` is called while that takes long."""

    def __init__(
        self, kafka: KafkaSettings, published: PublishedTopics, *, report_alive: Callable[[], None]
    ) -> None:
        self._kafka = kafka
        self._published = published
        self._report_alive = report_alive

    async def run(
        self,
        connection: Connection,
        consumer: AIOKafkaConsumer,
        committer: Committer,
        partitions: Sequence[TopicPartition],
        *,
        own_ends: Mapping[TopicPartition, int],
        shortened: AbstractSet[TopicPartition],
    ) -> None:
        """Have the service take up what its logs hold and its database lacks in these consumed partitions.

        What was looked at is stored as it goes, so an interrupted look is continued by the next. A record
        that cannot be stored, because another program wrote it into the topic, is logged and passed over.
        What a log does not hold any more is written to the outbox, unless it waits there already.
        `own_ends` says how far this process has published, `shortened` which logs took its records at earlier
        offsets since.

        Raises:
            Exception: one that `retry_reason` knows.
        """
        if not self._published.topics:
            return
        numbers = sorted({number for _, number in partitions})
        written = [aiokafka.TopicPartition(one, n) for one in self._published.topics for n in numbers]
        read = [aiokafka.TopicPartition(*one) for one in partitions]
        async with connection.transaction():
            known = await committer.positions.published(
                connection, committer.cluster_id, self._published.topics
            )
        places = {key: (key.topic, key.partition) for key in written}
        reached = {key: max(known.get(one, 0), own_ends.get(one, 0)) for key, one in places.items()}
        async with asyncio.timeout(_KAFKA_DEADLINE_S):
            begins = await consumer.beginning_offsets([*written, *read])
            ends = await _read_ends(consumer, [*written, *read], reached)
        short = {key for key, end in reached.items() if end > ends[key] or places[key] in shortened}
        starts = {}
        for key, place in places.items():
            start = begins[key] if key in short else known.get(place, begins[key])
            starts[key] = max(start, begins[key])
        unread = {key: start for key, start in starts.items() if start < ends[key]}
        until = {key: ends[key] if begins[key] < ends[key] else 0 for key in read}
        look = _Look(connection, committer, self._published, until, short)
        if unread:
            await self._read(unread, ends, look.take_up)
        if short:
            await self._write_missing(connection, committer, {key: ends[key] for key in short}, look.held)

    async def _write_missing(
        self,
        connection: Connection,
        committer: Committer,
        ends: Mapping[aiokafka.TopicPartition, int],
        held: AbstractSet[str],
    ) -> None:
        """Write to the outbox what logs of these ends have lost: what the database stores and they lack."""
        stored: Sequence[StoredEvent] = ()
        waiting = await _read_waiting(connection, committer, sorted({key.partition for key in ends}))
        if self._published.stored is not None:
            async with connection.transaction():
                since = await connection.execute(
                    "SELECT now() - make_interval(secs => %s)", (self._published.kept_s,)
                )
                ((at,),) = await since.fetchall()
                stored = await self._published.stored(connection, at)
        missing = [
            Outgoing(one.topic, one.key, one.value, one.partition, tuple(self._published.headers))
            for one in stored
            if aiokafka.TopicPartition(one.topic, one.partition) in ends
            and one.event_id not in held
            and one.event_id not in waiting
        ]
        async with connection.transaction():
            await committer.outbox.write(connection, missing)
            new_ends = {(key.topic, key.partition): end for key, end in ends.items()}
            await committer.positions.note_published(connection, committer.cluster_id, new_ends)
        get_logger().error(
            "published-log-lost-its-end",
            partitions=[f"{key.topic}/{key.partition}@{end}" for key, end in sorted(ends.items())],
            published_again=len(missing),
        )

    async def _read(
        self,
        starts: Mapping[aiokafka.TopicPartition, int],
        ends: Mapping[aiokafka.TopicPartition, int],
        take_up: Callable[[aiokafka.TopicPartition, Sequence[Record]], Awaitable[int]],
    ) -> None:
        reader = AIOKafkaConsumer(
            **client_options(self._kafka), auto_offset_reset="none", enable_auto_commit=False,
            isolation_level="read_committed", fetch_max_wait_ms=100,
        )  # fmt: skip
        lacking = 0
        await reader.start()
        try:
            reader.assign(list(starts))
            for key, start in starts.items():
                reader.seek(key, start)
            unread = set(starts)
            while unread:
                async with asyncio.timeout(_KAFKA_DEADLINE_S):
                    batches = await reader.getmany(
                        *unread, timeout_ms=int(_KAFKA_DEADLINE_S * 500), max_records=_RECORDS_AT_ONCE
                    )
                if not batches:
                    raise Retry("Kafka does not return what was published: it is read again")
                for key, found in batches.items():
                    lacking += await take_up(key, [_record(one) for one in found])
                    if found[-1].offset + 1 >= ends[key]:
                        unread.discard(key)
                        reader.pause(key)
                self._report_alive()
        finally:
            await reader.stop()
        if lacking:
            get_logger().warning("published-events-unknown", events=lacking)


async def _read_ends(
    consumer: AIOKafkaConsumer,
    keys: Sequence[aiokafka.TopicPartition],
    reached: Mapping[aiokafka.TopicPartition, int],
) -> dict[aiokafka.TopicPartition, int]:
    """Return the ends of these logs; look again while one of them ends before what was reached in it."""
    ends: dict[aiokafka.TopicPartition, int] = await consumer.end_offsets(keys)
    for _ in range(LOOKS_AT_THE_END - 1):
        if all(ends[key] >= end for key, end in reached.items()):
            break
        await asyncio.sleep(BETWEEN_LOOKS_S)
        ends = await consumer.end_offsets(keys)
    return ends


async def _read_waiting(connection: Connection, committer: Committer, partitions: Sequence[int]) -> set[str]:
    """Return the ids of the events that wait in the outbox for these partitions."""
    waiting: set[str] = set()
    after: tuple[int, int] | None = None
    while True:
        async with connection.transaction():
            rows = await committer.outbox.read_partitions(connection, partitions, after)
        if not rows:
            return waiting
        waiting.update(_event_id(row.outgoing) for row in rows)
        after = (rows[-1].batch, rows[-1].seq)


def _event_id(record: Record | Outgoing) -> str:
    try:
        return _decode_id(record.value or b"").id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""  # not written by this service


class _Identified(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Identified).decode


def _record(found: aiokafka.ConsumerRecord) -> Record:
    return Record(
        found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, found.headers
    )
