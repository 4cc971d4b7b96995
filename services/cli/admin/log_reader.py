"""Reads single records, and the ids of all events, of one partition of a topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiokafka
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.errors import KafkaTimeoutError

from services.runtime.kafka.client_options import client_options
from services.runtime.kafka.record import Record
from services.runtime.process.errors import Halt
from services.runtime.process.settings import KafkaSettings

_AT_ONCE = 500


class _Envelope(msgspec.Struct):
    id: str


_decode = msgspec.json.Decoder(_Envelope).decode


class LogReader:
    """Reads one partition; `open_log` makes it."""

    def __init__(self, consumer: AIOKafkaConsumer, partition: aiokafka.TopicPartition) -> None:
        self._consumer = consumer
        self._partition = partition

    async def offsets(self) -> tuple[int, int]:
        """Return the offset of the first record, and the one after the last.

        Raises:
            Halt: the cluster knows nothing of the partition.
        """
        try:
            begins = await self._consumer.beginning_offsets([self._partition])
        except KafkaTimeoutError:
            raise Halt(
                f"Kafka knows nothing of partition {self._partition.partition} of {self._partition.topic}:"
                " check the number, and the topics with `rapport topics check`."
            ) from None
        ends = await self._consumer.end_offsets([self._partition])
        return begins[self._partition], ends[self._partition]

    async def read(self, offset: int) -> Record:
        """Return the record at this offset, or the next one if there is none; it must be within the log."""
        self._consumer.seek(self._partition, offset)
        return _record(await self._consumer.getone())

    async def records(self, first: int, last: int) -> AsyncIterator[Record]:
        """Yield the records of these offsets that the log holds."""
        begin, end = await self.offsets()
        offset, after = max(first, begin), min(last + 1, end)
        if offset < after:
            self._consumer.seek(self._partition, offset)
        while offset < after:
            found = await self._consumer.getmany(timeout_ms=1000, max_records=_AT_ONCE)
            for record in found.get(self._partition, ()):
                offset = record.offset + 1
                if offset <= after:
                    yield _record(record)

    async def event_ids(self) -> set[str]:
        """Return the id of every event in the partition."""
        offset, end = await self.offsets()
        found: set[str] = set()
        if offset < end:
            self._consumer.seek(self._partition, offset)
        while offset < end:
            for record in (await self._consumer.getmany(timeout_ms=1000)).get(self._partition, ()):
                offset = record.offset + 1
                try:
                    found.add(_decode(record.value or b"").id)
                except msgspec.MsgspecError:
                    continue  # no event: a rejection names it
        return found


@asynccontextmanager
async def open_log(kafka: KafkaSettings, topic: str, partition: int) -> AsyncIterator[LogReader]:
    """Yield a reader of one partition.

    Raises:
        aiokafka.errors.KafkaError: the cluster cannot be reached or refuses the request.
    """
    consumer = AIOKafkaConsumer(
        **client_options(kafka), auto_offset_reset="none", enable_auto_commit=False,
        isolation_level="read_committed", fetch_max_wait_ms=100,
    )  # fmt: skip
    key = aiokafka.TopicPartition(topic, partition)
    await consumer.start()
    try:
        consumer.assign([key])
        yield LogReader(consumer, key)
    finally:
        await consumer.stop()


def _record(found: ConsumerRecord) -> Record:
    return Record(
        found.topic, found.partition, found.offset, found.timestamp, found.key, found.value, found.headers
    )
