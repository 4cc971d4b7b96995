"""What the tables hold is exported whichever process wrote it, and so is who waits for a connection."""

import asyncio
import math
import time

import psycopg
from prometheus_client import CollectorRegistry

from services.runtime.postgres.connect import pool_for_all_practices
from services.runtime.postgres.pool_metrics import PoolMetrics
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

BACKED_UP_AT = 1_795_954_449


async def test_what_other_processes_left_in_the_tables_is_exported(sample: Sample) -> None:
    began = time.time()
    process = sample.consumer(abandoned_after_s=3600)
    names = ("rapport_outbox_rows", "rapport_reconciliation_gap_records")
    assert all(math.isnan(process.value(name, schema="sample")) for name in names)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute(
            "INSERT INTO sample.outbox (batch, seq, topic, partition, key, value, headers)"
            " SELECT 7, number, 't', NULL, '', '', '\\x90' FROM generate_series(1, 3) AS number"
        )
        conn.execute(
            "INSERT INTO sample.unaccounted (cluster_id, topic, partition, from_offset, next_offset)"
            " VALUES ('c', 't', 0, 10, 15), ('c', 't', 1, 3, 4)"
        )
        database = conn.info.dbname
        conn.execute(f'ALTER DATABASE "{database}" SET rapport.backed_up_at = {BACKED_UP_AT}'.encode())
    async with process():
        await until(
            lambda: process.value("rapport_reconciliation_last_run_timestamp_seconds") >= began, "a look"
        )
        assert [process.value(name, schema="sample") for name in names] == [3, 6]
        assert process.value("rapport_database_bytes", schema="sample") > 0
        assert process.value("rapport_backup_last_success_timestamp_seconds") == BACKED_UP_AT


async def test_a_pool_shows_its_connections_and_who_waits(sample: Sample) -> None:
    registry = CollectorRegistry()
    small = pool_for_all_practices(sample.database, "small", connections=1)
    PoolMetrics(registry, small)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"rapport_database_pool_{name}", {"pool": "small", **labels})

    async def borrow() -> None:
        async with small.connection():
            pass

    await small.open(wait=True)
    try:
        async with small.connection():
            assert (value("connections", state="used"), value("connections", state="free")) == (1, 0)
            waiting = asyncio.create_task(borrow())
            await until(lambda: value("waiting") == 1, "somebody to wait")
            await asyncio.sleep(0.02)
        await waiting
        assert value("waiting") == 0
        assert (value("wait_seconds_total") or 0) >= 0.02
    finally:
        await small.close()
