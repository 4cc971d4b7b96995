"""Prepares assigned partitions for reading.

1. raise the epoch of each, so that an earlier owner's transaction ends before or never commits
2. publish the outbox rows that are left for it, before anything new
3. seek to the lower of the applied and the committed offset
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiokafka
from aiokafka import AIOKafkaConsumer

from services.runtime.consumer.assignment import Assignment
from services.runtime.kafka.record import TopicPartition
from services.runtime.outbox.committer import Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.positions import starting_offset
from services.runtime.postgres.connect import Connection
from services.runtime.process.log import get_logger

_KAFKA_DEADLINE_S = 15.0


@dataclass(frozen=True, slots=True)
class _LogOffsets:
    """A partition's first offset, the offset after its last record, and the group's committed offset."""

    begin: int
    end: int
    committed: int | None


async def prepare_partitions(
    connection: Connection,
    consumer: AIOKafkaConsumer,
    *,
    assignment: Assignment,
    committer: Committer,
    publisher: OutboxPublisher,
    adopt: bool,
) -> None:
    """Prepare all assigned partitions; with `adopt`, accept a log that lacks records which were not applied.

    Raises:
        Halt: a log no longer holds records that were never applied, or is another log.
        Exception: one that `retry_reason` knows; no partition is prepared then.
    """
    partitions = assignment.unprepared
    if not partitions:
        return
    async with connection.transaction():
        epochs = await committer.positions.raise_epochs(connection, partitions)
        stored = await committer.positions.applied(connection, committer.cluster_id, partitions)
    numbers = {number for _, number in partitions}
    await _publish_remaining_rows(connection, numbers, committer, publisher)
    async with asyncio.timeout(_KAFKA_DEADLINE_S):
        logs = await _read_log_offsets(consumer, partitions)
    starts: dict[TopicPartition, int] = {}
    applied: dict[TopicPartition, int] = {}
    for partition in partitions:
        log, done = logs[partition], stored.get(partition)
        start = starting_offset(
            partition, applied=done, committed=log.committed, begin=log.begin, end=log.end, adopt=adopt
        )
        starts[partition] = start
        # Records below the applied offset are skipped; of an adopted log nothing has been applied.
        applied[partition] = done if done is not None and log.begin <= done <= log.end else start
    assignment.mark_prepared(epochs, applied)
    for partition, start in starts.items():
        consumer.seek(aiokafka.TopicPartition(*partition), start)
    consumer.resume(*(aiokafka.TopicPartition(*partition) for partition in partitions))
    get_logger().info(
        "partitions-prepared",
        partitions=[f"{topic}/{number}@{starts[topic, number]}" for topic, number in partitions],
    )


async def _publish_remaining_rows(
    connection: Connection, partitions: Iterable[int], committer: Committer, publisher: OutboxPublisher
) -> None:
    await publisher.publish()
    published = publisher.take_published()
    try:
        async with connection.transaction():
            await committer.outbox.delete_batches(connection, published)
    except BaseException:
        publisher.return_published(published)
        raise
    numbers = sorted(partitions)
    after, count = (0, -1), 0
    while True:
        async with connection.transaction():
            rows = await committer.outbox.read_partitions(connection, numbers, after)
        if not rows:
            break
        await publisher.publish_rows(rows)
        async with connection.transaction():
            await committer.outbox.delete_rows(connection, rows)
        after, count = (rows[-1].batch, rows[-1].seq), count + len(rows)
    if count:
        get_logger().info("outbox-left-behind-published", rows=count)


async def _read_log_offsets(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> dict[TopicPartition, _LogOffsets]:
    keys = [aiokafka.TopicPartition(*partition) for partition in partitions]
    begins = await consumer.beginning_offsets(keys)
    ends = await consumer.end_offsets(keys)
    committed = await asyncio.gather(*(consumer.committed(key) for key in keys))
    return {
        partition: _LogOffsets(begins[key], ends[key], offset)
        for partition, key, offset in zip(partitions, keys, committed, strict=True)
    }
