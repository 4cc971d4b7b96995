"""Publishing: records in, acknowledged by all in-sync replicas when the call returns."""

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
from services.runtime.kafka.record import Outgoing
from services.runtime.kafka.send_queue import OrderedSend, Placed
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings

MAX_BATCH_BYTES = 256 * 1024
MAX_RECORD_BYTES = 900_000
"""Below the broker's own limit (`message.max.bytes`, by default 1 MiB) by more than any overhead."""

_FATAL = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    ProducerClosed,
    ProducerFenced,
)
"""After these a client never sends again: it is replaced."""


@lru_cache(maxsize=65_536)
def _hash(key: bytes) -> int:
    # The hash is pure Python, and a busy subject's key comes again and again.
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key, as Kafka's own clients choose it (murmur2)."""
    return _hash(key) % partitions


def _partitioner(key: bytes | None, all_partitions: list[int], _available: list[int]) -> int:
    if key is None:
        raise Halt("a record without a key has no place: give every record its key")
    return all_partitions[_hash(key) % len(all_partitions)]


class Producer:
    """One connection for publishing: `acks=all`, idempotent, every wait bounded by a deadline of our own.

    An idempotent client of aiokafka has no delivery time-out: it waits for ever while the broker is away.
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
        """What the client is built with. Holds the password."""
        return client_options(self._kafka) | {
            "acks": "all",
            # The in-process broker does not tell a repetition from a new batch.
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
        """Send what is queued, for a short while, and disconnect."""
        await self._stop_client()
        if self._closing:
            await asyncio.wait(self._closing)

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has.

        Raises:
            Retry: Kafka is away, or does not know the topic.
        """
        client = await self._ready()
        try:
            async with asyncio.timeout(self._kafka.publish_deadline_s):
                return len(await client.partitions_for(topic))
        except (KafkaError, TimeoutError) as error:
            raise Retry(f"the topic {topic} cannot be found ({type(error).__name__})") from error

    async def send(self, out: Outgoing) -> tuple[int, int]:
        """Publish one record together with those of other callers; its partition and offset.

        Waits for the acknowledgement without a deadline of its own: the caller has one. A record whose caller
        gave up may still reach the log.

        Raises:
            Retry: Kafka is away or refused; the record may be sent again under the same id.
        """
        client = await self._ready()
        try:
            future = await client.send(
                out.topic, out.value, out.key, out.partition, headers=list(out.headers)
            )
            metadata = await future
        except KafkaError as error:
            self._judge(error)
            raise Retry(f"Kafka did not take the record ({type(error).__name__})") from error
        self._count(out.topic, 1)
        return metadata.partition, metadata.offset

    @property
    def ready(self) -> bool:
        """There is a connection, and nothing is known to be wrong with it; a broker can still be silent."""
        return self._client is not None and not self._faulty

    async def hand_over(self, outgoing: Sequence[Outgoing]) -> list[asyncio.Future[Any]]:
        """Queue records together with those of other callers, in order within each partition.

        Returns a future for each, done at its acknowledgement or with a `KafkaError`: `settle` takes note of
        them. Does not connect, and has no deadline.

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

    async def settle(self, futures: Sequence[asyncio.Future[Any]]) -> None:
        """Wait until all that was handed over has come to its end, one way or the other, however long."""
        acknowledged: Counter[str] = Counter()
        for future in futures:
            try:
                acknowledged[(await future).topic] += 1
            except KafkaError:
                self._faulty = True
        for topic, number in acknowledged.items():
            self._count(topic, number)

    async def send_all(self, outgoing: Sequence[Outgoing], *, deadline_s: float | None = None) -> None:
        """Publish a list, in order within each partition, and wait for every acknowledgement.

        Raises:
            Retry: not all were acknowledged within the deadline; those that were may be sent again.
        """
        sending = await self.begin(outgoing)
        await self.finish(sending, deadline_s=deadline_s)

    async def begin(
        self, outgoing: Sequence[Outgoing], *, first_alone: Callable[[], None] | None = None
    ) -> OrderedSend:
        """TopicPartition a list, to be published by `finish`; nothing is sent yet.

        `first_alone`, if given, is called when the first record was acknowledged and no other was sent.

        Raises:
            Retry: a topic's partitions are not known because Kafka is away.
            Halt: a record names a partition that its topic does not have.
        """
        counts = {topic: await self.partitions(topic) for topic in {out.topic for out in outgoing}}
        placed: list[Placed] = []
        for out in outgoing:
            count = counts[out.topic]
            partition = partition_of(out.key, count) if out.partition is None else out.partition
            if partition >= count:
                raise Halt(
                    f"{out.topic} has {count} partitions and none is number {partition}: derived topics need "
                    "as many as their input; see `rapport topics check`"
                )
            placed.append(((out.topic, partition), out))
        return OrderedSend(placed, self._ready, first_alone=first_alone)

    async def finish(self, sending: OrderedSend, *, deadline_s: float | None = None) -> None:
        """Wait until all of `sending` is acknowledged; call it again after a `Retry`.

        Raises:
            Retry: not yet.
        """
        deadline = self._kafka.publish_deadline_s if deadline_s is None else deadline_s
        try:
            await sending.finish(deadline)
        except Retry as retry:
            # A time-out leaves the client to go on; a refusal may mean that it never will.
            self._judge(retry.__cause__)
            raise
        for topic, number in sending.counts.items():
            self._count(topic, number)

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._client is None or self._faulty:
                await self.start()
            assert self._client is not None  # noqa: S101 - start() returned
            return self._client

    def _judge(self, error: BaseException | None) -> None:
        # aiokafka's own "unexpected error" is a plain KafkaError; its sending task has ended by then.
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
    # stop() waits for what is queued, which never leaves while the broker is away.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(2):
            await client.stop()
