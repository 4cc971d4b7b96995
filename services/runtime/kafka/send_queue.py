"""Sends a list of records to Kafka in order within each partition, until all of them are acknowledged.

Each partition has at most one batch on its way; different partitions send concurrently. After a `Retry`,
`finish` is called again: it waits for batches that are on their way and does not send them a second time, so
a long outage leaves one copy of a record in the client's queue and not one for each attempt.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.runtime.kafka.record import Outgoing, TopicPartition
from services.runtime.process.errors import Retry


class _PartitionQueue:
    """The records of one partition that are not acknowledged yet."""

    __slots__ = ("acknowledgement", "client", "end", "on_the_way", "partition", "pending", "start")

    def __init__(self, partition: TopicPartition) -> None:
        self.partition = partition
        self.pending: deque[Outgoing] = deque()
        self.on_the_way: list[Outgoing] = []
        self.acknowledgement: asyncio.Future[Any] | None = None
        self.client: AIOKafkaProducer | None = None
        self.start: int | None = None
        """The offset of the first acknowledged record; None when it is not known."""
        self.end: int | None = None
        """The offset after the last acknowledged record; None when it is not known."""

    @property
    def done(self) -> bool:
        return not self.on_the_way and not self.pending

    def forget_replaced_client(self, client: AIOKafkaProducer) -> None:
        """Stop waiting for a client that was replaced: it may never report the fate of its batch."""
        waiting = self.acknowledgement
        if waiting is not None and self.client is not client and not waiting.done():
            self.acknowledgement = None

    async def send_next(self, client: AIOKafkaProducer, limit: int | None) -> None:
        """Hand the next batch to the client, unless one is on its way."""
        if self.acknowledgement is not None or self.done:
            return
        builder = client.create_batch()
        queue = deque(self.on_the_way) + self.pending if self.on_the_way else self.pending
        taken: list[Outgoing] = []
        while queue and (limit is None or len(taken) < limit):
            out = queue[0]
            # The builder accepts a first record of any size, and returns None when the next does not fit.
            if (
                builder.append(timestamp=None, key=out.key, value=out.value, headers=list(out.headers))
                is None
            ):
                break
            taken.append(queue.popleft())
        builder.close()
        self.on_the_way, self.pending = taken, queue
        topic, number = self.partition
        self.acknowledgement = await client.send_batch(builder, topic, partition=number)
        self.client = client
        self.acknowledgement.add_done_callback(_retrieve_exception)

    def take_result(self) -> BaseException | None:
        """Note whether the batch was acknowledged; return its error, after which it must be sent again."""
        if self.acknowledgement is None or not self.acknowledgement.done():
            return None
        acknowledgement, self.acknowledgement = self.acknowledgement, None
        error = asyncio.CancelledError() if acknowledgement.cancelled() else acknowledgement.exception()
        if error is None:
            first = acknowledgement.result().offset
            self.end = first + len(self.on_the_way) if first >= 0 else None
            if self.start is None and first >= 0:
                self.start = first
            self.on_the_way = []
        return error


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    # asyncio must not report an exception that nobody waits for any more as never retrieved.
    if not future.cancelled():
        future.exception()


class OrderedSend:
    """A list of records that is being published; call `finish`, and call it again after a `Retry`."""

    def __init__(
        self,
        records: Iterable[tuple[TopicPartition, Outgoing]],
        connected_client: Callable[[], Awaitable[AIOKafkaProducer]],
        *,
        first_alone: Callable[[], None] | None = None,
    ) -> None:
        self._queues: dict[TopicPartition, _PartitionQueue] = {}
        self._connected_client = connected_client
        self._first_alone = first_alone
        self.counts: dict[str, int] = {}
        """The number of records of each topic."""
        self.starts: dict[TopicPartition, int] = {}
        """The offset of the first acknowledged record of each partition, as far as Kafka has told it."""
        self.ends: dict[TopicPartition, int] = {}
        """The offset after the last one."""
        for partition, outgoing in records:
            queue = self._queues.get(partition)
            if queue is None:
                queue = self._queues[partition] = _PartitionQueue(partition)
            queue.pending.append(outgoing)
            self.counts[partition[0]] = self.counts.get(partition[0], 0) + 1

    async def finish(self, deadline_s: float) -> None:
        """Send what was not sent and wait for every acknowledgement.

        Raises:
            Retry: not all were acknowledged in time, or Kafka refused; call it again.
        """
        try:
            async with asyncio.timeout(deadline_s):
                if self._first_alone is not None and self._queues:
                    await self._send_round(list(self._queues.values())[:1], limit=1)
                    call, self._first_alone = self._first_alone, None
                    call()
                while self._queues:
                    await self._send_round(list(self._queues.values()), limit=None)
        except TimeoutError:
            raise Retry(f"Kafka did not acknowledge within {deadline_s:g} s") from None
        except KafkaError as error:
            raise Retry(f"Kafka did not take the records ({type(error).__name__})") from error

    async def _send_round(self, queues: list[_PartitionQueue], *, limit: int | None) -> None:
        """Send one batch of each queue and wait until it is acknowledged, so that failures keep the order."""
        client = await self._connected_client()
        for queue in queues:
            queue.forget_replaced_client(client)
            await queue.send_next(client, limit)
        await asyncio.wait([queue.acknowledgement for queue in queues if queue.acknowledgement is not None])
        errors = [error for queue in queues if (error := queue.take_result()) is not None]
        for queue in queues:
            if queue.start is not None:
                self.starts[queue.partition] = queue.start
            if queue.end is not None:
                self.ends[queue.partition] = queue.end
            if queue.done:
                self._queues.pop(queue.partition, None)
        if errors:
            raise errors[0]
