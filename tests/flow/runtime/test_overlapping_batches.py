"""A batch may begin while the one before it is published: in order, one ahead at most, and without loss."""

import asyncio
import os
import signal

from tests.support.runtime.outages import own_broker
from tests.support.runtime.running_sample import DEADLINE_S, until
from tests.support.runtime.sample_service import Sample

VALUES = [str(number) for number in range(40)]
FULL = 10


async def test_while_kafka_is_silent_exactly_one_more_batch_is_processed(database_url: str) -> None:
    with own_broker() as (bootstrap, broker):
        sample = Sample(bootstrap, database_url)
        sample.create_tables()
        await sample.send(VALUES)
        kafka = sample.kafka.model_copy(update={"publish_deadline_s": 0.5, "session_timeout_s": 20.0})
        process = sample.consumer(kafka=kafka, max_records=FULL)
        sample.before_work = lambda: os.kill(broker.pid, signal.SIGSTOP)

        async with process(ready=False):
            await until(lambda: process.value("rapport_retries_total", reason="publish") >= 2, "retries")
            assert sample.effects() == VALUES[: 2 * FULL]
            assert process.value("rapport_outbox_rows_waiting") == 2 * FULL

            sample.before_work = lambda: None
            os.kill(broker.pid, signal.SIGCONT)
            await until(lambda: sample.effects() == VALUES, "all effects")
            await until(lambda: process.value("rapport_outbox_rows_waiting") == 0, "the publication")
            place = {"topic": sample.topic, "partition": 0}
            await until(lambda: process.shows("rapport_consumer_committed_offset", 40, **place), "the offset")

        assert await sample.published() == VALUES
        assert sample.handled == [(sample.topic, 0, offset) for offset in range(40)]
        assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]


async def test_the_last_full_batch_is_finished_when_no_records_follow(sample: Sample) -> None:
    await sample.send(VALUES[:FULL])
    process = sample.consumer(max_records=FULL)

    async with process():
        place = {"topic": sample.topic, "partition": 0}
        await until(lambda: process.shows("rapport_consumer_committed_offset", FULL, **place), "the offset")
        await until(lambda: process.value("rapport_batch_seconds_count") == 1, "the end of the batch")

    assert await sample.published() == VALUES[:FULL]


async def test_a_stop_waits_for_the_batch_that_is_being_published(sample: Sample) -> None:
    await sample.send(VALUES)
    process = sample.consumer(max_records=FULL)
    stopping: list[asyncio.Task[None]] = []

    def stop_in_the_second_batch() -> None:
        if len(sample.batches) == 1:
            stopping.append(asyncio.create_task(process.consumer.stop()))

    sample.before_work = stop_in_the_second_batch
    async with asyncio.timeout(DEADLINE_S):
        await process.consumer.run()

    assert sample.effects() == VALUES[: 2 * FULL]
    assert await sample.published() == VALUES[: 2 * FULL]
    assert process.value("rapport_batch_seconds_count") == 2
    assert process.value("rapport_commit_failures_total") == 0
    assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]
