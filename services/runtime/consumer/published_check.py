"""Looks for events that a service published and that its database does not know, because it was restored.

Each process stores how far it has published. When partitions are assigned, it reads what follows in the
topics that the service alone writes: in operation that is what was published in the last seconds, and known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import aiokafka
from aiokafka import AIOKafkaConsumer

from services.runtime.kafka.client_options import client_options
from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.outbox.committer import Committer
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Retry
from services.runtime.process.log import get_logger
from services.runtime.process.settings import KafkaSettings

_RECORDS_AT_ONCE = 2_000
_KAFKA_DEADLINE_S = 15.0


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


async def _take_up_nothing(_connection: Connection, _found: FoundRecords) -> int:
    return 0


NOTHING_PUBLISHED = PublishedTopics((), _take_up_nothing)
"""For a service that writes no topic of its own."""


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
    ) -> None:
        """Have the service take up what its logs hold and its database lacks in these consumed partitions.

        What was looked at is stored as it goes, so an interrupted look is continued by the next.

        Raises:
            Exception: one that `retry_reason` knows.
        """
        if not self._published.topics:
            return
        numbers = sorted({number for _, number in partitions})
        written = [aiokafka.TopicPartition(one, n) for one in self._published.topics for n in numbers]
        read = [aiokafka.TopicPartition(*one) for one in partitions]
        async with asyncio.timeout(_KAFKA_DEADLINE_S):
            begins = await consumer.beginning_offsets([*written, *read])
            ends = await consumer.end_offsets([*written, *read])
        async with connection.transaction():
            known = await committer.positions.published(
                connection, committer.cluster_id, self._published.topics
            )
        starts = {}
        for key in written:
            start = known.get((key.topic, key.partition), begins[key])
            # A log that was made again ends before what was known of it.
            starts[key] = start if begins[key] <= start <= ends[key] else begins[key]
        unread = {key: start for key, start in starts.items() if start < ends[key]}
        if not unread:
            return
        until = {key: ends[key] if begins[key] < ends[key] else 0 for key in read}

        async def take_up(key: aiokafka.TopicPartition, records: Sequence[Record]) -> int:
            of_partition = {one.topic: end for one, end in until.items() if one.partition == key.partition}
            found = FoundRecords(committer.cluster_id, key.partition, records, of_partition)
            async with connection.transaction():
                lacking = await self._published.take_up(connection, found)
                ends_now = {(key.topic, key.partition): records[-1].offset + 1}
                await committer.positions.note_published(connection, committer.cluster_id, ends_now)
            return lacking

        await self._read(unread, ends, take_up)

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


def _record(found: aiokafka.ConsumerRecord) -> Record:
    return Record(
        found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, found.headers
    )
