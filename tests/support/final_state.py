"""A stack that was disturbed in; how it ended out, to be compared with one that was not."""

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

NOTIFIER = {
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
    """What must not depend on who died when."""

    deliveries: dict[str, int]
    assessments: list[tuple[object, ...]]
    episodes: list[tuple[object, ...]]


def ending(stack: ServiceStack, database_url: str) -> FinalState:
    """Wait until nothing moves, check every invariant, and read how it ended."""
    settled = stack.settled()
    assert stack.report.accepted == settled.balance.delivered
    return asyncio.run(_read(database_url, settled.balance.deliveries))


async def _read(database_url: str, deliveries: Counter[str]) -> FinalState:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        assert await invariants.broken(conn) == {}
        assert await invariants.broken(conn, NOTIFIER) == {}
        return FinalState(
            {outcome: count for outcome, count in deliveries.items() if count},
            [tuple(row) for row in await invariants.stored_assessments(conn)],
            [tuple(row) for row in await invariants.stored_episodes(conn)],
        )


def mails_sent(database_url: str) -> int:
    """How many mails the notifier says it has sent."""
    with psycopg.connect(database_url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM notifier.delivery WHERE channel = 'email' AND state = 'sent'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def published(backend: Backend) -> list[Record]:
    """Everything in the topics that the detector writes, each partition in its order."""
    consumer = Consumer(
        {
            "bootstrap.servers": backend.bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    found = []
    try:
        places = [
            TopicPartition(topic, partition, 0)
            for topic in (ASSESSED.name, EPISODE_CHANGED.name)
            for partition in range(backend.partitions)
        ]
        left = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        consumer.assign(places)
        for _ in range(left):
            message = consumer.poll(10)
            assert message is not None, "a topic ended before its end"
            assert message.error() is None
            place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
            found.append(Record(*place, 0, message.key(), message.value()))
    finally:
        consumer.close()
    return found
