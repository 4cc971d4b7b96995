"""A process that is frozen inside a transaction loses its locks, so that the next owner goes on."""

import asyncio
import contextlib
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable

import psycopg
import pytest

from deploy.kafka.run import KafkaNode
from services.runtime.consumer.consumer_options import BatchLimits
from services.runtime.postgres.connect import connect_for_all_practices
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

LONGEST_WAIT_S = 20.0
"""From the moment at which an owner freezes until its partition is worked on again."""
RUNS = 3
_WRITERS = "SELECT application_name FROM pg_stat_activity WHERE backend_xid IS NOT NULL"


async def test_the_server_ends_a_transaction_whose_client_froze_inside_a_pipeline(sample: Sample) -> None:
    frozen = await connect_for_all_practices(sample.database, "frozen", transaction_timeout_s=1)
    other = await connect_for_all_practices(sample.database, "other")
    row = "INSERT INTO sample.cluster (cluster_id) VALUES ('locked')"

    async with asyncio.timeout(10):
        with contextlib.suppress(psycopg.OperationalError):  # the frozen one finds its connection ended
            async with frozen.pipeline():
                # No answer is read and no Sync is sent, so the server sees neither idling nor waiting.
                await frozen.execute(row)
                await until(lambda: ("frozen",) in sample.query(_WRITERS), "the row of the frozen one")
                async with other:
                    await other.execute(row)
    await frozen.close()

    assert sample.query("SELECT cluster_id FROM sample.cluster") == [("locked",)]


async def test_the_consumers_connections_have_every_limit(sample: Sample) -> None:
    limits = BatchLimits()
    timeout_s = limits.transaction_deadline_s + limits.frozen_margin_s
    async with await connect_for_all_practices(
        sample.database, "limited", transaction_timeout_s=timeout_s
    ) as conn:
        limit_names = ("transaction_timeout", "idle_in_transaction_session_timeout", "lock_timeout")
        names = (*limit_names, "synchronous_commit")
        shown = [await (await conn.execute(f"SHOW {name}".encode())).fetchone() for name in names]
        reset = await conn.execute(
            "SELECT setting FROM pg_settings WHERE name LIKE 'tcp%%' ORDER BY name", binary=False
        )

    assert shown == [("14s",), ("5s",), ("5s",), ("on",)]
    assert len(await reset.fetchall()) == 4


@pytest.mark.durable
@pytest.mark.timeout(240)
async def test_the_next_owner_goes_on_within_the_limit(
    kafka_node: KafkaNode, database_url: str, record_property: Callable[[str, object], None]
) -> None:
    waits = [await _wait_behind_a_frozen_owner(kafka_node, database_url, run) for run in range(RUNS)]

    record_property("median_wait_s", round(statistics.median(waits), 1))
    assert max(waits) <= LONGEST_WAIT_S


async def _wait_behind_a_frozen_owner(node: KafkaNode, database_url: str, run: int) -> float:
    sample = Sample(node.bootstrap, database_url, embedded=False)
    if run == 0:
        sample.create_tables()
    sample.create_topics()
    frozen = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.runtime.sample_process",
        sample.name,
        env=os.environ
        | {
            "KAFKA_BOOTSTRAP_SERVERS": sample.bootstrap,
            "DATABASE_URL": sample.database_url,
            "SAMPLE_EMBEDDED": "",
            "SAMPLE_FREEZE_AT": "7",
        },
    )

    def effects() -> list[object]:
        return sample.query(f"SELECT value FROM sample.effect WHERE topic = '{sample.topic}'")  # type: ignore[return-value]

    try:
        await sample.send(range(7))
        await until(lambda: len(effects()) == 7, "the first effects")
        async with sample.consumer()() as consumer:
            await until(lambda: 0 < len(consumer.owned_partitions(sample.topic)) < 4, "the sharing")
            partition = min(frozenset(range(4)) - consumer.owned_partitions(sample.topic))
            await sample.send(["7"], partition=partition)
            began = time.monotonic()
            await until(lambda: len(effects()) == 8, "the record at which the owner froze", 60)
            return time.monotonic() - began
    finally:
        frozen.send_signal(signal.SIGKILL)
        await frozen.wait()
