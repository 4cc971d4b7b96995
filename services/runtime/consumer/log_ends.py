"""Reads where the logs of a consumer's topics end, at a moment after somebody asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiokafka
from aiokafka.errors import ConsumerStoppedError, KafkaError

from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.kafka.record import TopicPartition
from services.runtime.outbox.positions import Applied

_DEADLINE_S = 2.0


@dataclass(frozen=True, slots=True)
class LogEnds:
    """Where the partitions of some topics begin and end in one Kafka cluster."""

    cluster_id: str
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]

    def all_applied(self, applied: Mapping[TopicPartition, Applied]) -> bool:
        """Return whether everything that the logs held was applied.

        Like the consumer, a partition of which nothing was applied begins where its log does.
        """
        return all(
            (self.begins[one] if (known := applied.get(one)) is None else known.next_offset) >= end
            for one, end in self.ends.items()
        )


class LogEndReader:
    """Reads the ends through the consumer's connection; those who ask at the same time share one look."""

    def __init__(self, consumer: BatchConsumer, topics: Sequence[str]) -> None:
        self._consumer = consumer
        self._topics = tuple(topics)
        self._lock = asyncio.Lock()
        self._begun = 0
        self._last: LogEnds | None = None

    async def read(self) -> LogEnds | None:
        """Return the ends as they were at a moment after this call; None when they cannot be read now."""
        begun = self._begun
        async with self._lock:
            if self._begun == begun:  # otherwise a look has begun, and ended, while this one waited
                self._begun += 1
                self._last = None
                self._last = await self._look()
            return self._last

    async def _look(self) -> LogEnds | None:
        session = self._consumer.session
        client = None if session is None else session.subscription.consumer
        if client is None or not self._consumer.cluster_id:
            return None
        cluster_id = self._consumer.cluster_id
        numbers = {topic: client.partitions_for_topic(topic) for topic in self._topics}
        if not all(numbers.values()):
            return None
        keys = [aiokafka.TopicPartition(topic, one) for topic, found in numbers.items() for one in found]
        try:
            async with asyncio.timeout(_DEADLINE_S):
                begins = await client.beginning_offsets(keys)
                ends = await client.end_offsets(keys)
        except (KafkaError, ConsumerStoppedError, TimeoutError):  # health shows that Kafka is away
            return None
        return LogEnds(cluster_id, _by_partition(begins), _by_partition(ends))


def _by_partition(offsets: Mapping[aiokafka.TopicPartition, int]) -> dict[TopicPartition, int]:
    return {(one.topic, one.partition): offset for one, offset in offsets.items()}
