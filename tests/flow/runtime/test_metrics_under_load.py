"""Lag and progress are exported while batches are processed, not only when nothing is left to do."""

import asyncio
import math
import time
from collections.abc import Sequence

from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

WRITTEN = 2_500


async def test_lag_and_progress_are_true_while_a_batch_is_processed(sample: Sample) -> None:
    at_the_third, may_continue = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction, records: Sequence[Record]) -> None:
        if len(sample.batches) == 2:
            at_the_third.set()
            while not may_continue.is_set():  # PostgreSQL ends a transaction that idles
                await tx.conn.execute("SELECT 1")
                await asyncio.sleep(0.1)
        sample.batches.append(len(records))

    sample.handle = slow  # type: ignore[method-assign]
    began = time.time()
    process = sample.consumer(max_records=200)
    partition = {"topic": sample.topic, "partition": 0}
    before = [process.value(f"rapport_last_{kind}_timestamp_seconds") for kind in ("progress", "batch")]
    assert all(math.isnan(one) for one in before)

    async with process():
        process.health.set_bad("sender", "a part that reads no records")
        before_the_batches = process.value("rapport_last_progress_timestamp_seconds")
        await sample.send(range(WRITTEN))
        await at_the_third.wait()
        await sample.send(range(WRITTEN))
        read = sum(sample.batches)
        try:
            await until(
                lambda: process.shows("rapport_consumer_lag_records", 2 * WRITTEN - read, **partition),
                "the lag, while the third batch is processed",
                60,
            )
            assert process.value("rapport_consumer_caught_up") == 0
            assert process.value("rapport_consumer_position_offset", **partition) == read
            oldest = process.value("rapport_consumer_oldest_waiting_timestamp_seconds", topic=sample.topic)
            assert began - 0.001 <= oldest <= time.time()  # Kafka counts milliseconds
            progress = process.value("rapport_last_progress_timestamp_seconds")
            assert progress >= began
            assert progress != before_the_batches
            assert process.value("rapport_consumer_assigned", **partition) == 1
        finally:
            may_continue.set()
        await until(lambda: process.shows("rapport_consumer_lag_records", 0, **partition), "the end", 120)
        await until(lambda: process.shows("rapport_consumer_caught_up", 1), "having caught up", 120)
        oldest = process.value("rapport_consumer_oldest_waiting_timestamp_seconds", topic=sample.topic)
        assert math.isnan(oldest)
    assert process.value("rapport_consumer_assigned", **partition) == 0


async def test_a_batch_that_is_halved_makes_progress_with_every_part(sample: Sample) -> None:
    seen: list[float] = []
    handle = sample.handle

    async def noting(tx: Transaction, records: Sequence[Record]) -> None:
        seen.append(process.value("rapport_last_progress_timestamp_seconds"))
        await handle(tx, records)

    sample.handle = noting  # type: ignore[method-assign]
    process = sample.consumer(max_records=8)
    began = time.time()
    await sample.send([*range(5), "poison", 6, 7])
    async with process():
        await until(lambda: len(sample.effects()) == 7, "the others")
    # The first attempt is the whole batch, the last one its last part.
    assert seen[-1] != seen[0]
    assert seen[-1] >= began
