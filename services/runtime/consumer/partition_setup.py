"""Prepares assigned partitions for reading.

1. raise the epoch of each, so that an earlier owner's transaction ends before or never commits
2. look whether the logs that the service writes hold what its database does not know, and what it published
   (`published_check.py`)
3. publish the outbox rows that are left for it, before anything new: only now, because a log that lost its
   end would grow by them beyond what was published
4. seek to the last applied record, or to the committed offset where it is lower

A partition that is halted, or whose log is not the one that was applied, is left alone until it is repaired.
"""

import asyncio
from collections.abc import Iterable, Mapping

import aiokafka
from aiokafka import AIOKafkaConsumer

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.log_check import LogOffsets, Start, find_start
from services.runtime.consumer.published_check import BETWEEN_LOOKS_S, LOOKS_AT_THE_END, PublishedCheck
from services.runtime.kafka.record import TopicPartition
from services.runtime.kafka.subscription import leader_connection
from services.runtime.outbox.committer import Committer
from services.runtime.outbox.halts import HaltReason, PartitionHalted
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.positions import Applied
from services.runtime.postgres.connect import Connection
from services.runtime.process.log import get_logger

_KAFKA_DEADLINE_S = 15.0


async def prepare_partitions(
    connection: Connection,
    consumer: AIOKafkaConsumer,
    *,
    assignment: Assignment,
    committer: Committer,
    publisher: OutboxPublisher,
    published: PublishedCheck,
    adopt: bool,
) -> None:
    """Prepare all assigned partitions; with `adopt`, accept a log that lacks records which were not applied.

    Raises:
        Exception: one that `retry_reason` knows; no partition is prepared then.
    """
    await _read_halted(connection, assignment, committer)
    partitions = assignment.unprepared
    if not partitions:
        return
    async with connection.transaction():
        epochs = await committer.positions.raise_epochs(connection, partitions)
        stored = await committer.positions.applied(connection, committer.cluster_id, partitions)
        unaccounted = await committer.positions.unaccounted(connection, committer.cluster_id, partitions)
    numbers = {number for _, number in partitions}
    await _publish_own(connection, committer, publisher)
    # What was published until now may have been stored in a database that was restored since.
    publisher.forget_ends()
    # Kafka often fails for a while when it lost something: the ends are kept until they could be compared.
    own_ends = {one: end for one, end in publisher.unchecked_ends.items() if one[1] in numbers}
    shortened = {one for one in publisher.shortened if one[1] in numbers}
    await published.run(connection, consumer, committer, partitions, own_ends=own_ends, shortened=shortened)
    publisher.note_checked(own_ends)
    await _publish_remaining_rows(connection, numbers, committer, publisher)
    async with asyncio.timeout(_KAFKA_DEADLINE_S):
        logs = await _read_log_offsets(consumer, partitions, stored)
    # Only now: a connection made after the end was read is a reason to prepare again.
    connections = {partition: leader_connection(consumer, partition) for partition in partitions}
    starts: dict[TopicPartition, Start] = {}
    halts: list[PartitionHalted] = []
    for partition in partitions:
        try:
            starts[partition] = find_start(partition, stored.get(partition), logs[partition], adopt=adopt)
        except PartitionHalted as halt:
            halts.append(halt)
    if halts:
        await halt_partitions(connection, halts, assignment, committer)
    assignment.connections.update({one: connections[one] for one in starts})
    assignment.mark_prepared(
        {one: epochs[one] for one in starts},
        {one: start.applied for one, start in starts.items()},
        {one: start.last for one, start in starts.items() if start.last is not None},
        unaccounted,
        {one: known.next_offset if (known := stored.get(one)) else None for one in starts},
    )
    for partition, start in starts.items():
        consumer.seek(aiokafka.TopicPartition(*partition), start.offset)
    consumer.resume(*(aiokafka.TopicPartition(*partition) for partition in starts))
    get_logger().info(
        "partitions-prepared",
        partitions=[f"{topic}/{number}@{start.offset}" for (topic, number), start in starts.items()],
    )


async def halt_partitions(
    connection: Connection, halts: Iterable[PartitionHalted], assignment: Assignment, committer: Committer
) -> None:
    """Store that these partitions are halted, then ignore them."""
    async with connection.transaction():
        for halt in halts:
            await committer.halts.record(connection, committer.cluster_id, halt)
            topic, partition = halt.partition
            get_logger().critical(
                "halted",
                topic=topic,
                partition=partition,
                offset=halt.next_offset,
                reason=halt.reason.value,
                why=str(halt),
            )
    await _read_halted(connection, assignment, committer)


async def _read_halted(connection: Connection, assignment: Assignment, committer: Committer) -> None:
    async with connection.transaction():
        rows = await committer.halts.read(connection, committer.cluster_id)
        assignment.set_aside = await committer.halts.read_set_aside(connection, committer.cluster_id)
    halted: dict[TopicPartition, tuple[HaltReason, str]] = {
        row.partition: (row.reason, row.detail) for row in rows if row.partition in assignment.assigned
    }
    assignment.set_halted(halted)


async def _publish_own(connection: Connection, committer: Committer, publisher: OutboxPublisher) -> None:
    await publisher.publish()
    published = publisher.take_published()
    try:
        async with connection.transaction():
            await committer.outbox.delete_batches(connection, published)
    except BaseException:
        publisher.return_published(published)
        raise


async def _publish_remaining_rows(
    connection: Connection, partitions: Iterable[int], committer: Committer, publisher: OutboxPublisher
) -> None:
    await _publish_own(connection, committer, publisher)
    numbers = sorted(partitions)
    after: tuple[int, int] | None = None
    count = 0
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
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], stored: Mapping[TopicPartition, Applied]
) -> dict[TopicPartition, LogOffsets]:
    keys = [aiokafka.TopicPartition(*partition) for partition in partitions]
    begins = await consumer.beginning_offsets(keys)
    ends = await consumer.end_offsets(keys)
    for _ in range(LOOKS_AT_THE_END - 1):
        if all(
            ends[key] >= stored[one].next_offset
            for one, key in zip(partitions, keys, strict=True)
            if one in stored
        ):
            break
        await asyncio.sleep(BETWEEN_LOOKS_S)
        ends = await consumer.end_offsets(keys)
    committed = await asyncio.gather(*(consumer.committed(key) for key in keys))
    return {
        partition: LogOffsets(begins[key], ends[key], offset)
        for partition, key, offset in zip(partitions, keys, committed, strict=True)
    }
