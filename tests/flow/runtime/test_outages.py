"""When Kafka or PostgreSQL is away, silent or replaced, health shows it and nothing is lost."""

import asyncio
import os
import signal

import psycopg
import psycopg.conninfo
import pytest

from services.runtime.consumer import batch_consumer
from tests.support.runtime.outages import PortForwarder, database_away, own_broker
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import SCHEMA, Sample


async def test_kafka_may_be_away_at_the_start(sample: Sample) -> None:
    await sample.send(range(3))
    forwarder = PortForwarder(sample.bootstrap)
    kafka = sample.kafka.model_copy(update={"bootstrap_servers": f"127.0.0.1:{forwarder.port}"})
    process = sample.consumer(kafka=kafka)

    async with process(ready=False):
        await until(lambda: "reached" in process.reasons["kafka"], "the reason")
        async with forwarder.open():
            await until(lambda: sample.effects() == ["0", "1", "2"])

            assert process.health.healthy
    assert process.value("rapport_retries_total", reason="kafka") >= 1


async def test_the_database_may_be_away_at_the_start(sample: Sample) -> None:
    await sample.send(range(3))
    process = sample.consumer()

    with database_away(sample.database_url):
        async with process(ready=False):
            await until(lambda: "OperationalError" in process.reasons["database"], "the reason")
            assert process.reasons.keys() >= {"database", "consumer"}
    process = sample.consumer()
    async with process():
        await until(lambda: sample.effects() == ["0", "1", "2"])


async def test_missing_tables_are_waited_for(sample: Sample) -> None:
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("ALTER TABLE sample.cluster RENAME TO elsewhere")
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: "UndefinedTable" in process.reasons.get("database", ""), "the reason")
        with psycopg.connect(sample.database_url) as conn:
            conn.execute("ALTER TABLE sample.elsewhere RENAME TO cluster")
        await until(lambda: process.health.healthy, "readiness")


async def test_an_outage_of_the_database_during_work_loses_nothing(sample: Sample) -> None:
    values = [str(number) for number in range(100)]
    await sample.send(values)
    process = sample.consumer(max_records=10)

    async with process():
        await until(lambda: len(sample.effects()) >= 10)
        with database_away(sample.database_url):
            await until(lambda: "database" in process.reasons, "the reason")
            await until(lambda: process.value("rapport_retries_total", reason="database") >= 2, "retries")
        await until(lambda: sample.effects() == values, "all effects")
        await until(lambda: process.health.healthy, "readiness")

    assert values == list(dict.fromkeys(await sample.published()))


async def test_an_idle_consumer_notices_that_the_database_is_away_and_that_it_is_back(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_consumer, "_RELAY_EVERY_S", 0.2)
    monkeypatch.setattr(batch_consumer, "_ABANDONED_ROWS_EVERY", 1)
    process = sample.consumer()
    async with process():
        await until(lambda: process.health.healthy, "health")
        with database_away(sample.database_url):
            await until(lambda: "OperationalError" in process.reasons.get("database", ""), "the reason")
        await until(lambda: process.health.healthy, "health again")
        # The process ends while the relay sleeps: a connection that is cancelled half made warns.
        monkeypatch.setattr(batch_consumer, "_RELAY_EVERY_S", 3_600)
        await asyncio.sleep(1)


async def test_connections_that_break_repeatedly_lose_nothing(sample: Sample) -> None:
    values = [str(number) for number in range(60)]
    await sample.send(values)
    process = sample.consumer(max_records=5)
    name = psycopg.conninfo.conninfo_to_dict(sample.database_url)["dbname"]

    async with process():
        with psycopg.connect(sample.database_url, dbname="postgres", autocommit=True) as admin:
            for target in (5, 20, 40):
                await until(lambda target=target: len(sample.effects()) >= target)  # type: ignore[misc]
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                )
        await until(lambda: sample.effects() == values, "all effects")

    assert values == list(dict.fromkeys(await sample.published()))


async def test_a_silent_broker_is_shown_and_the_records_are_published_when_it_answers_again(
    database_url: str,
) -> None:
    with own_broker() as (bootstrap, broker):
        sample = Sample(bootstrap, database_url)
        sample.create_tables()
        values = [str(number) for number in range(20)]
        await sample.send(values)
        kafka = sample.kafka.model_copy(update={"publish_deadline_s": 0.5, "session_timeout_s": 20.0})
        process = sample.consumer(kafka=kafka, max_records=20)
        sample.before_work = lambda: os.kill(broker.pid, signal.SIGSTOP)

        async with process(ready=False):
            await until(lambda: "publishing" in process.reasons, "the reason")
            assert process.value("rapport_outbox_rows_waiting") == 20
            os.kill(broker.pid, signal.SIGCONT)
            await until(lambda: process.value("rapport_outbox_rows_waiting") == 0, "the publication")
            await until(lambda: process.health.healthy, "readiness")

        assert sample.effects() == values
        assert await sample.published() == values


async def test_another_cluster_halts_with_the_command_that_repairs(sample: Sample) -> None:
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("INSERT INTO sample.cluster (cluster_id) VALUES ('the-one-before')")
    real = sample.kafka.model_copy(update={"embedded": False})
    process = sample.consumer(kafka=real)

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")

    assert sample.query("SELECT cluster_id FROM sample.cluster") == [("the-one-before",)]
    assert "rapport topics adopt-cluster" in process.reasons_at_stop["consumer"]


async def test_an_embedded_broker_is_adopted(sample: Sample) -> None:
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("INSERT INTO sample.cluster (cluster_id) VALUES ('the-one-before')")
    await sample.send(["1"])

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["1"])

    assert sample.query("SELECT cluster_id FROM sample.cluster") != [("the-one-before",)]


async def test_a_log_that_ends_before_what_was_applied_halts(sample: Sample) -> None:
    await sample.send(["1"])
    async with sample.consumer()():
        await until(lambda: sample.effects() == ["1"])
    with psycopg.connect(sample.database_url) as conn:
        conn.execute(f"UPDATE {SCHEMA}.applied SET next_offset = 900".encode())
    process = sample.consumer(kafka=sample.kafka.model_copy(update={"embedded": False}))

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")

    assert "the log ends at 1, before the 900 that was applied" in process.reasons_at_stop["consumer"]
