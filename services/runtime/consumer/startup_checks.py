"""Connects a consumer to Kafka and PostgreSQL, and checks the cluster and its topics before reading."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from services.runtime.consumer.consumer_context import ConsumerContext
from services.runtime.http.health import TABLES_CHECK, Health
from services.runtime.kafka.client_options import EMBEDDED_PARTITIONS, client_options
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.table_versions import TablesBehind, TableVersions
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.log import get_logger
from services.runtime.process.settings import KafkaSettings

_CONNECT_DEADLINE_S = 10.0


async def connect_and_check(context: ConsumerContext) -> None:
    """Connect to Kafka and PostgreSQL, check cluster and topics, and report each success to health.

    Raises:
        Halt: it is another cluster, or its topics or tables do not fit: an operator must act.
        Exception: one that `retry_reason` knows.
    """
    await context.producer.start()
    cluster_id = await _read_cluster_id(context.kafka)
    context.health.set_good("kafka")
    connection = await context.connection.get()
    embedded, positions = context.kafka.embedded, context.committer.positions
    tables = context.committer.tables
    async with connection.transaction():
        if tables is not None:
            await check_tables(connection, tables, context.metrics, context.health)
        replaced = await positions.check_cluster(connection, cluster_id, adopt=embedded)
        await context.look_at_role(connection)
    if replaced is not None:
        get_logger().warning("cluster-adopted", cluster_id=cluster_id, replaced=replaced)
    context.committer.cluster_id = cluster_id
    context.health.set_good("database")
    counts = {topic: await context.producer.partitions(topic) for topic in context.source.all}
    expected = EMBEDDED_PARTITIONS if embedded else None
    check_partitions(counts, context.source.co_partitioned, expected=expected)


async def check_tables(
    connection: Connection, tables: TableVersions, metrics: ConsumerMetrics, health: Health
) -> None:
    """Check that this version runs on the tables, and report it to metrics and health.

    Raises:
        TablesBehind: migrations are missing.
        Halt: the tables are of a newer version, on which this one does not run.
    """
    pending = metrics.migration_pending.labels(tables.schema)
    try:
        await tables.check(connection)
    except TablesBehind as behind:
        pending.set(len(behind.missing))
        health.set_bad(TABLES_CHECK, str(behind))
        raise
    except Halt as halt:
        pending.set(0)
        health.set_bad(TABLES_CHECK, str(halt))
        raise
    pending.set(0)
    health.set_good(TABLES_CHECK)


async def _read_cluster_id(kafka: KafkaSettings) -> str:
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=int(_CONNECT_DEADLINE_S * 1000))
    try:
        async with asyncio.timeout(_CONNECT_DEADLINE_S):
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
    """Check that co-partitioned topics have the same number of partitions, or the `expected` number.

    A derived record is published to the partition number of its input, so the numbers must match.

    Raises:
        Halt: they do not.
    """
    numbers = {topic: counts[topic] for topic in co_partitioned}
    if len(set(numbers.values())) > 1 or (expected is not None and set(numbers.values()) - {expected}):
        listed = ", ".join(f"{topic} {number}" for topic, number in sorted(numbers.items()))
        wanted = "the same number of" if expected is None else f"{expected}"
        raise Halt(
            f"these topics need {wanted} partitions each, and have: {listed}; see `rapport topics check`"
        )
