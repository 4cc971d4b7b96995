"""Reaching what a consumer stands on: Kafka, the right cluster, the database, topics of the right shape."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.runtime.consumer.consumer_context import ConsumerContext
from services.runtime.kafka.client_options import client_options
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.log import get_logger
from services.runtime.process.settings import KafkaSettings

EMBEDDED_PARTITIONS = 4
"""What the in-process broker gives every topic."""

_REACH_S = 10.0


async def reach(parts: ConsumerContext) -> None:
    """Connect to everything and prove that it fits; readiness says what does.

    Raises:
        Halt: another cluster, or topics that do not fit: a person must act.
        Exception: one that `retry_reason` knows.
    """
    await parts.producer.start()
    cluster_id = await _cluster_id(parts.kafka)
    parts.health.set_good("kafka")
    conn = await parts.link.get()
    async with conn.transaction():
        replaced = await parts.committer.positions.check_cluster(conn, cluster_id, adopt=parts.kafka.embedded)
    if replaced is not None:
        get_logger().warning("cluster-adopted", cluster_id=cluster_id, replaced=replaced)
    parts.committer.cluster_id = cluster_id
    parts.health.set_good("database")
    topics = dict.fromkeys((*parts.topics, *parts.co_partitioned))
    counts = {topic: await parts.producer.partitions(topic) for topic in topics}
    expected = EMBEDDED_PARTITIONS if parts.kafka.embedded else None
    check_partitions(counts, parts.co_partitioned, expected=expected)


async def _cluster_id(kafka: KafkaSettings) -> str:
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=int(_REACH_S * 1000))
    try:
        async with asyncio.timeout(_REACH_S):
            await admin.start()
            cluster = await admin.describe_cluster()
    except (KafkaError, OSError, TimeoutError) as error:
        raise Retry(f"Kafka cannot be reached ({type(error).__name__})") from error
    finally:
        with contextlib.suppress(Exception):
            await admin.close()
    return str(cluster["cluster_id"])


def check_partitions(
    counts: Mapping[str, int], co_partitioned: Iterable[str], *, expected: int | None = None
) -> None:
    """Topics whose derived records go to their input's partition number need the same number of partitions.

    Raises:
        Halt: they differ, or differ from what is `expected`.
    """
    numbers = {topic: counts[topic] for topic in co_partitioned}
    if len(set(numbers.values())) > 1 or (expected is not None and set(numbers.values()) - {expected}):
        shown = ", ".join(f"{topic} {number}" for topic, number in sorted(numbers.items()))
        wanted = "the same number" if expected is None else f"{expected}"
        raise Halt(
            f"these topics need {wanted} of partitions each, and have: {shown}; see `rapport topics check`"
        )
