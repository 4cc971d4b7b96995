"""Publishes records and returns when all in-sync replicas have acknowledged them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
)
from aiokafka.partitioner import murmur2

from services.runtime.kafka.client_options import client_options
from services.runtime.kafka.record import Outgoing, TopicPartition
from services.runtime.kafka.send_queue import OrderedSend
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings

MAX_BATCH_BYTES = 256 * 1024
MAX_RECORD_BYTES = 900_000
"""Below the broker's limit (`message.max.bytes`, 1 MiB by default) by more than any overhead."""

_FATAL = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
)
"""After one of these errors a client never sends again, so it is replaced."""


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    # The hash is computed in pure Python, and the keys of busy subjects recur.
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key as Kafka's own clients choose it (murmur2)."""
    return _hash(key) % partitions


def _partitioner(key: bytes | None, all_partitions: list[int], _available: list[int]) -> int:
    if key is None:
        raise Halt("a record without a key has no partition: give every record a key")
    return all_partitions[_hash(key) % len(all_partitions)]


class Producer:
    """One connection for publishing: `acks=all` and idempotent, with a deadline for every wait.

    aiokafka's idempotent client has no delivery timeout: it waits for ever while the broker is away.
    """

    def __init__(self, kafka: KafkaSettings, metrics: Metrics | None = None, *, linger_ms: int = 5) -> None:
        self._kafka = kafka
        self._metrics = metrics
        self._linger_ms = linger_ms
        self._client: AIOKafkaProducer | None = None
        self._faulty = False
        self._starting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def options(self) -> dict[str, Any]:
        """The options of the client; they contain the password."""
        return client_options(self._kafka) | {
            "acks": "all",
            # The in-process broker cannot distinguish a repetition from a new batch.
            "enable_idempotence": not self._kafka.embedded,
            "linger_ms": self._linger_ms,
            "max_batch_size": MAX_BATCH_BYTES,
            "request_timeout_ms": int(max(5.0, self._kafka.publish_deadline_s) * 1000),
            "partitioner": _partitioner,
        }

    async def start(self) -> None:
        """Connect.

        Raises:
            Retry: Kafka is away.
            Halt: the settings cannot work.
        """
        await self._stop_client()
        client = AIOKafkaProducer(**self.options)
        try:
            async with asyncio.timeout(self._kafka.publish_deadline_s):
                await client.start()
        except (KafkaError, OSError, TimeoutError) as error:
            await _stop(client)
            raise Retry(f"Kafka cannot be reached for publishing ({type(error).__name__})") from error
        except BaseException:
            await _stop(client)
            raise
        self._client = client
        self._faulty = False

    async def stop(self) -> None:
        """Send queued records for at most two seconds, and disconnect."""
        await self._stop_client()
        if self._closing:
            await asyncio.wait(self._closing)

    async def partitions(self, topic: str) -> int:
        """Return the number of partitions of a topic.

        Raises:
            Retry: Kafka is away, or the topic does not exist.
        """
        client = await self._connected_client()
        try:
            async with asyncio.timeout(self._kafka.publish_deadline_s):
                return len(await client.partitions_for(topic))
        except (KafkaError, TimeoutError) as error:
            raise Retry(f"the topic {topic} cannot be found ({type(error).__name__})") from error

    @property
    def ready(self) -> bool:
        """Whether there is a connection without a known fault; the broker may still be silent."""
        return self._client is not None and not self._faulty

    async def enqueue(self, outgoing: Sequence[Outgoing]) -> list[asyncio.Future[Any]]:
        """Queue records together with those of other callers, in order within each partition.

        Returns one future for each record, which ends with its acknowledgement or a `KafkaError`; pass them
        to `wait_acknowledged`. Does not connect, and has no deadline.

        Raises:
            Retry: there is no connection; `start` makes one.
        """
        client = self._client
        if client is None or self._faulty:
            raise Retry("there is no connection to Kafka for publishing")
        futures: list[asyncio.Future[Any]] = []
        for out in outgoing:
            headers = list(out.headers)
            try:
                future = await client.send(out.topic, out.value, out.key, out.partition, headers=headers)
            except KafkaError as error:
                future = asyncio.get_running_loop().create_future()
                future.set_exception(error)
            futures.append(future)
        return futures

    async def wait_acknowledged(self, futures: Sequence[asyncio.Future[Any]]) -> None:
        """Wait, without a deadline, until each enqueued record is acknowledged or has failed."""
        acknowledged: Counter[str] = Counter()
        newest: dict[TopicPartition, int] = {}
        for future in futures:
            try:
                metadata = await future
            except KafkaError:
                self._faulty = True
                continue
            acknowledged[metadata.topic] += 1
            newest[metadata.topic, metadata.partition] = metadata.offset
        for topic, number in acknowledged.items():
            self._count(topic, number)
        if self._metrics is not None:
            for (topic, partition), offset in newest.items():
                self._metrics.acknowledged.labels(topic=topic, partition=partition).set(offset + 1)

    async def send_all(self, outgoing: Sequence[Outgoing], *, deadline_s: float | None = None) -> OrderedSend:
        """Publish records in order within each partition, and wait for every acknowledgement.

        Raises:
            Retry: not all were acknowledged within the deadline; those that were may be sent again.
        """
        ordered_send = await self.prepare_send(outgoing)
        await self.finish_send(ordered_send, deadline_s=deadline_s)
        return ordered_send

    async def prepare_send(
        self, outgoing: Sequence[Outgoing], *, first_alone: Callable[[], None] | None = None
    ) -> OrderedSend:
        """Assign each record to its partition, to be published by `finish_send`; nothing is sent yet.

        `first_alone` is called when the first record is acknowledged and no other has been sent.

        Raises:
            Retry: the partitions of a topic are unknown because Kafka is away.
            Halt: a record names a partition that its topic does not have.
        """
        counts = {topic: await self.partitions(topic) for topic in {out.topic for out in outgoing}}
        records: list[tuple[TopicPartition, Outgoing]] = []
        for out in outgoing:
            count = counts[out.topic]
            partition = partition_of(out.key, count) if out.partition is None else out.partition
            if partition >= count:
                raise Halt(
                    f"{out.topic} has {count} partitions and none with number {partition}: derived topics "
                    "need as many as their input; see `rapport topics check`"
                )
            records.append(((out.topic, partition), out))
        return OrderedSend(records, self._connected_client, first_alone=first_alone)

    async def finish_send(self, ordered_send: OrderedSend, *, deadline_s: float | None = None) -> None:
        """Send all records and wait until they are acknowledged; call it again after a `Retry`.

        Raises:
            Retry: some records are not acknowledged yet.
        """
        deadline = self._kafka.publish_deadline_s if deadline_s is None else deadline_s
        try:
            await ordered_send.finish(deadline)
        except Retry as retry:
            # After a timeout the client goes on; after a refusal it may never send again.
            self._note_fatal(retry.__cause__)
            raise
        for topic, number in ordered_send.counts.items():
            self._count(topic, number)

    async def _connected_client(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._client is None or self._faulty:
                await self.start()
            assert self._client is not None  # noqa: S101 - start() returned
            return self._client

    def _note_fatal(self, error: BaseException | None) -> None:
        # aiokafka reports an unexpected error as a plain KafkaError, after its sending task has ended.
        if isinstance(error, _FATAL) or type(error) is KafkaError:
            self._faulty = True

    async def _stop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            task = asyncio.create_task(_stop(client))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _count(self, topic: str, number: int) -> None:
        if self._metrics is not None:
            self._metrics.records_published.labels(topic=topic).inc(number)


async def _stop(client: AIOKafkaProducer) -> None:
    # stop() waits for queued records, which cannot be sent while the broker is away.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            await client.stop()
