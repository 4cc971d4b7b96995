"""Preparing partitions: what Kafka assigned goes in; it is ours, its past published, its start sought after.

1. raise the epoch of each, so that an earlier owner's transaction ends or never commits
2. publish the outbox rows that are left of it, before anything new
3. seek to the lower of applied and committed
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import aiokafka
from aiokafka import AIOKafkaConsumer

from services.runtime.consumer.assignment import Assignment
from services.runtime.kafka.record import TopicPartition
from services.runtime.outbox.committer import Committer, Conn
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.positions import starting_offset
from services.runtime.process.log import get_logger

_KAFKA_S = 15.0


@dataclass(frozen=True, slots=True)
class _Log:
    """What Kafka knows of a partition: the offsets at both ends, and the one committed for our group."""

    begin: int
    end: int
    committed: int | None


async def prepare(
    conn: Conn,
    consumer: AIOKafkaConsumer,
    *,
    assignment: Assignment,
    committer: Committer,
    publisher: OutboxPublisher,
    adopt: bool,
) -> None:
    """Make all that is assigned ready to be read.

    Raises:
        Halt: a log no longer holds what was never applied, or is another log.
        Exception: one that `retry_reason` knows; nothing is ready then.
    """
    places = assignment.unprepared
    if not places:
        return
    async with conn.transaction():
        epochs = await committer.positions.raise_epochs(conn, places)
        known = await committer.positions.applied(conn, committer.cluster_id, places)
    await _publish_what_is_left(conn, {partition for _, partition in places}, committer, publisher)
    async with asyncio.timeout(_KAFKA_S):
        logs = await _logs(consumer, places)
    starts: dict[TopicPartition, int] = {}
    applied: dict[TopicPartition, int] = {}
    for place in places:
        log, done = logs[place], known.get(place)
        start = starting_offset(
            place, applied=done, committed=log.committed, begin=log.begin, end=log.end, adopt=adopt
        )
        starts[place] = start
        # Records below what was applied are skipped; after a log was adopted, nothing of it is.
        applied[place] = done if done is not None and log.begin <= done <= log.end else start
    assignment.prepared(epochs, applied)
    for place, start in starts.items():
        consumer.seek(aiokafka.TopicPartition(*place), start)
    consumer.resume(*(aiokafka.TopicPartition(*place) for place in places))
    get_logger().info(
        "partitions-prepared",
        partitions=[f"{topic}/{number}@{starts[topic, number]}" for topic, number in places],
    )


async def _publish_what_is_left(
    conn: Conn, partitions: Iterable[int], committer: Committer, publisher: OutboxPublisher
) -> None:
    await publisher.publish()
    published = publisher.take_published()
    try:
        async with conn.transaction():
            await committer.outbox.delete(conn, published)
    except BaseException:
        publisher.give_back(published)
        raise
    numbers = sorted(partitions)
    after, left = (0, -1), 0
    while True:
        async with conn.transaction():
            rows = await committer.outbox.of_partitions(conn, numbers, after)
        if not rows:
            break
        await publisher.publish_now([row.out for row in rows])
        async with conn.transaction():
            await committer.outbox.delete_rows(conn, rows)
        after, left = (rows[-1].batch, rows[-1].seq), left + len(rows)
    if left:
        get_logger().info("outbox-left-behind-published", rows=left)


async def _logs(consumer: AIOKafkaConsumer, places: list[TopicPartition]) -> dict[TopicPartition, _Log]:
    tps = [aiokafka.TopicPartition(*place) for place in places]
    begins = await consumer.beginning_offsets(tps)
    ends = await consumer.end_offsets(tps)
    committed = await asyncio.gather(*(consumer.committed(tp) for tp in tps))
    return {
        place: _Log(begins[tp], ends[tp], done)
        for place, tp, done in zip(places, tps, committed, strict=True)
    }
