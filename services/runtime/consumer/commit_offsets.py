"""Commits consumer offsets to Kafka and exports them as metrics."""

import asyncio
from collections.abc import Mapping

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from services.runtime.http.health import Health
from services.runtime.kafka.record import TopicPartition
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.log import describe, get_logger

_COMMIT_DEADLINE_S = 10.0


async def commit_offsets(
    consumer: AIOKafkaConsumer,
    next_offsets: Mapping[TopicPartition, int],
    metrics: ConsumerMetrics,
    health: Health,
) -> None:
    """Commit exactly these offsets.

    A failure is counted and shown in health, and not raised: the records are applied, and are skipped when
    they are read again.
    """
    offsets = {aiokafka.TopicPartition(*partition): offset for partition, offset in next_offsets.items()}
    try:
        with metrics.commit_seconds.time():
            async with asyncio.timeout(_COMMIT_DEADLINE_S):
                await consumer.commit(offsets)
    except (KafkaError, TimeoutError) as error:
        metrics.commit_failures.inc()
        health.set_bad("offsets", f"committing offsets failed: {describe(error)}")
        get_logger().warning("offset-commit-failed", why=describe(error))
        return
    health.set_good("offsets")
    for (topic, partition), offset in next_offsets.items():
        metrics.committed.labels(topic=topic, partition=partition).set(offset)
