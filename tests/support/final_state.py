"""Reads the final state of a stack, to compare a disturbed stack with an undisturbed one."""

import asyncio
from collections import Counter
from typing import NamedTuple

import psycopg
from confluent_kafka import Consumer, TopicPartition

from schemas.topics import ASSESSED, EPISODE_CHANGED
from services.runtime.kafka.record import Record
from tests.support import invariants
from tests.support.backend import Backend
from tests.support.service_stack import ServiceStack

NOTIFIER_INVARIANTS = {
    "every change that the detector published is decided upon": """
        SELECT c.episode_id, c.revision FROM detector.episode_change c
        LEFT JOIN notifier.change n USING (episode_id, revision) WHERE n.episode_id IS NULL""",
    "whatever was told on the page has its item": """
        SELECT d.episode_id, d.revision FROM notifier.decision d LEFT JOIN notifier.item i USING (episode_id)
        WHERE d.channel = 'inbox' AND d.outcome = 'told' AND i.episode_id IS NULL""",
    "every item was decided upon": """
        SELECT i.episode_id FROM notifier.item i LEFT JOIN notifier.decision d USING (episode_id)
        WHERE d.episode_id IS NULL""",
    "no delivery is left open": """
        SELECT delivery_id FROM notifier.delivery WHERE state IN ('pending', 'retrying')""",
}


class FinalState(NamedTuple):
    """What must not depend on which process was killed when."""

    deliveries: dict[str, int]
    assessments: list[tuple[object, ...]]
    episodes: list[tuple[object, ...]]


def final_state(stack: ServiceStack, database_url: str) -> FinalState:
    """Wait until all work is done, check every invariant, and return the final state.

    A rating whose write was not acknowledged in time is sent again with the same id, and the first write may
    have reached the log, too: every delivery beyond the accepted ones must be a duplicate of a rating that
    was sent again, and is left out of the state.
    """
    balance = stack.settled().balance
    twice = balance.delivered - stack.report.accepted
    assert 0 <= twice <= stack.report.sent_again, "deliveries that nothing that was sent explains"
    assert balance.deliveries["duplicate"] >= twice
    return asyncio.run(_read(database_url, balance.deliveries - Counter({"duplicate": twice})))


async def _read(database_url: str, deliveries: Counter[str]) -> FinalState:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        assert await invariants.broken(conn) == {}
        assert await invariants.broken(conn, NOTIFIER_INVARIANTS) == {}
        return FinalState(
            {outcome: count for outcome, count in deliveries.items() if count},
            [tuple(row) for row in await invariants.stored_assessments(conn)],
            [tuple(row) for row in await invariants.stored_episodes(conn)],
        )


def mails_sent(database_url: str) -> int:
    """Return the number of mails that the notifier has recorded as sent."""
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM notifier.delivery WHERE channel = 'email' AND state = 'sent'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def published_records(backend: Backend) -> list[Record]:
    """Return all records in the topics that the detector writes, each partition in order."""
    consumer = Consumer(
        {
            "bootstrap.servers": backend.bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    records = []
    try:
        partitions = [
            TopicPartition(topic, partition, 0)
            for topic in (ASSESSED.name, EPISODE_CHANGED.name)
            for partition in range(backend.partitions)
        ]
        left = sum(consumer.get_watermark_offsets(partition, timeout=10)[1] for partition in partitions)
        consumer.assign(partitions)
        for _ in range(left):
            message = consumer.poll(10)
            assert message is not None, "a topic ended before its end"
            assert message.error() is None
            position = (message.topic() or "", message.partition() or 0, message.offset() or 0)
            records.append(Record(*position, 0, message.key(), message.value()))
    finally:
        consumer.close()
    return records
