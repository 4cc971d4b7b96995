"""Lag and progress are exported while batches are processed, not only when nothing is left to do."""

import asyncio
import time
from collections.abc import Sequence

from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from tests.support.runtime.sample_service import Sample, until


async def test_lag_and_progress_are_true_while_a_batch_is_processed(sample: Sample) -> None:
    at_the_third, may_continue = asyncio.Event(), asyncio.Event()
    handle = sample.handle

    async def slow(tx: Transaction, records: Sequence[Record]) -> None:
        if len(sample.batches) == 2:
            at_the_third.set()
            while not may_continue.is_set():  # PostgreSQL ends a transaction that idles
                await tx.conn.execute("SELECT 1")
                await asyncio.sleep(0.1)
        await handle(tx, records)

    sample.handle = slow  # type: ignore[method-assign]
    began = time.time()
    process = sample.consumer(max_records=10)
    partition = {"topic": sample.topic, "partition": 0}

    async with process():
        await sample.send(range(100))
        await at_the_third.wait()
        await sample.send(range(100))
        read = sum(sample.batches)
        try:
            await until(
                lambda: process.shows("rapport_consumer_lag_records", 200 - read, **partition),
                "the lag, while the third batch is processed",
                10,
            )
            assert process.value("rapport_consumer_caught_up") == 0
            assert process.value("rapport_consumer_position_offset", **partition) == read
            assert process.value("rapport_last_progress_timestamp_seconds") >= began
        finally:
            may_continue.set()
        await until(lambda: process.shows("rapport_consumer_lag_records", 0, **partition), "the end")
        await until(lambda: process.shows("rapport_consumer_caught_up", 1), "having caught up")
