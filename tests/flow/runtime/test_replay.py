"""Records that are delivered again have no effect and publish nothing."""

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.runtime.outbox.positions import adopt_cluster
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import SCHEMA, Sample


async def commit_offset(sample: Sample, offset: int) -> None:
    """Set the group's committed offset of partition 0."""
    consumer = AIOKafkaConsumer(
        sample.topic,
        bootstrap_servers=sample.bootstrap,
        group_id=f"{sample.name}-group",
        enable_auto_commit=False,
        session_timeout_ms=2500,
        heartbeat_interval_ms=500,
    )
    partition = TopicPartition(sample.topic, 0)
    await consumer.start()
    await consumer.commit({partition: offset})
    await consumer.stop()


async def test_records_below_what_was_applied_are_skipped(sample: Sample) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    before = await sample.published()
    await commit_offset(sample, 4)

    again = sample.consumer()
    async with again():
        skipped = {"topic": sample.topic, "outcome": "skipped"}
        await until(lambda: again.value("rapport_record_outcomes_total", **skipped) == 6, "the skipped six")
        await until(
            lambda: again.shows("rapport_consumer_committed_offset", 10, topic=sample.topic, partition=0)
        )

    assert before == await sample.published()
    assert len(sample.handled) == 10


async def test_a_database_from_a_backup_catches_up_though_kafka_is_ahead(sample: Sample) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("DELETE FROM sample.effect WHERE place >= 6")
        conn.execute("UPDATE sample.applied SET next_offset = 6, last_crc = NULL WHERE partition = 0")

    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10, "the lost effects")


async def test_a_database_that_goes_back_while_the_service_runs_is_noticed_by_the_next_batch(
    sample: Sample,
) -> None:
    await sample.send(range(10))
    process = sample.consumer()
    async with process():
        await until(lambda: len(sample.effects()) == 10)
        with psycopg.connect(sample.database_url) as conn:
            conn.execute("DELETE FROM sample.effect WHERE place >= 6")
            conn.execute("UPDATE sample.applied SET next_offset = 6, last_crc = NULL WHERE partition = 0")

        await sample.send([10])

        await until(lambda: sample.effects() == [str(number) for number in range(11)], "the lost effects")
        assert process.value("rapport_retries_total", reason="database") == 1


async def test_an_empty_database_begins_at_the_beginning_whatever_was_committed(sample: Sample) -> None:
    await sample.send(range(5))
    await commit_offset(sample, 5)

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["0", "1", "2", "3", "4"])


async def test_a_topic_that_is_read_again_from_its_beginning_has_no_second_effect(sample: Sample) -> None:
    await sample.send(range(5))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 5)
    async with await psycopg.AsyncConnection.connect(sample.database_url) as conn:
        cursor = await conn.execute("SELECT cluster_id FROM sample.cluster")
        row = await cursor.fetchone()
        assert row is not None
        await adopt_cluster(conn, SCHEMA, row[0])

    async with sample.consumer()():
        await until(lambda: len(sample.handled) == 10, "the second reading")

    assert sample.effects() == ["0", "1", "2", "3", "4"]


async def test_a_record_rejected_twice_has_one_row(sample: Sample) -> None:
    await sample.send(["bad", "1"])
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 1)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("DELETE FROM sample.applied")

    async with sample.consumer()():
        await until(lambda: len(sample.handled) == 2, "the second reading")

    assert sample.query("SELECT count(*) FROM sample.rejection") == [(1,)]
