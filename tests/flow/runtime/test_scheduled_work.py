"""Scheduled work uses the same transaction and outbox as batches, and loses nothing that it publishes."""

import asyncio
import gc
import os
import signal
import weakref

import psycopg
import pytest

from services.runtime.kafka.record import Outgoing
from services.runtime.outbox import relay
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.errors import Retry
from services.runtime.process.settings import DatabaseSettings
from tests.support.runtime.outages import database_away, own_broker
from tests.support.runtime.running_sample import crash_at, until
from tests.support.runtime.sample_service import Sample


async def test_work_is_stored_and_published(sample: Sample) -> None:
    async def work(tx: Transaction) -> None:
        await tx.conn.execute("INSERT INTO sample.effect VALUES ('w', 'none', 0, 0)")
        tx.publish(Outgoing(sample.out, b"k", b"w", 1))

    async with sample.consumer()() as consumer:
        await consumer.transact(work)

        assert sample.effects() == ["w"]
        assert await sample.published() == ["w"]
    assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]


class Payload:
    """An object that a transaction's work references."""


async def test_a_transactions_objects_are_freed_without_the_garbage_collector(sample: Sample) -> None:
    references: list[weakref.ref[Payload]] = []
    seen: set[type] = set()

    async def work(tx: Transaction) -> None:
        payload = Payload()
        references.append(weakref.ref(payload))
        tx.after_commit.append(lambda: seen.update({type(payload), type(tx)}))

    async with sample.consumer()() as consumer:
        gc.disable()
        try:
            await consumer.transact(work)
            assert seen == {Payload, Transaction}
            assert references[0]() is None
        finally:
            gc.enable()


async def test_work_that_fails_leaves_nothing(sample: Sample) -> None:
    async def work(tx: Transaction) -> None:
        await tx.conn.execute("INSERT INTO sample.effect VALUES ('w', 'none', 0, 0)")
        tx.publish(Outgoing(sample.out, b"k", b"w", 1))
        raise LookupError

    async with sample.consumer()() as consumer:
        with pytest.raises(LookupError):
            await consumer.transact(work)

    assert sample.effects() == []
    assert await sample.published() == []


async def test_work_is_refused_while_the_database_is_away(sample: Sample) -> None:
    async def work(tx: Transaction) -> None:
        raise AssertionError("there is no transaction")

    async with sample.consumer()() as consumer:
        with database_away(sample.database_url), pytest.raises(Retry):
            await consumer.transact(work)


async def test_work_is_stored_while_kafka_is_silent_and_published_later(database_url: str) -> None:
    with own_broker() as (bootstrap, broker):
        sample = Sample(bootstrap, database_url)
        sample.create_tables()

        async def work(tx: Transaction) -> None:
            tx.publish(Outgoing(sample.out, b"k", b"w", 1))

        kafka = sample.kafka.model_copy(update={"publish_deadline_s": 0.3, "session_timeout_s": 20.0})
        process = sample.consumer(kafka=kafka)
        async with process() as consumer:
            os.kill(broker.pid, signal.SIGSTOP)
            await consumer.transact(work)
            waiting = process.value("rapport_outbox_rows_waiting")
            os.kill(broker.pid, signal.SIGCONT)

            assert waiting == 1
            await until(lambda: process.value("rapport_outbox_rows_waiting") == 0, "the relay")
            assert await sample.published() == ["w"]


async def test_rows_of_a_partition_that_were_left_behind_are_published_by_its_next_owner(
    sample: Sample,
) -> None:
    await sample.send(["1"])
    await sample.consumer(checkpoint=crash_at("after-commit-transaction")).until_crash()

    async with sample.consumer()():
        assert await sample.published() == ["1"]


async def test_rows_without_a_partition_that_were_left_behind_are_published_in_order(sample: Sample) -> None:
    leave_behind(sample, [b"1", b"2", b"3"], partition=None)
    process = sample.consumer(abandoned_after_s=0.0)

    async with process():
        await asyncio.gather(process.consumer._relay.run_once(), process.consumer._relay.run_once())

    assert await sample.published() == ["1", "2", "3"]
    assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]


async def test_rows_that_another_process_may_still_publish_are_left_alone(sample: Sample) -> None:
    leave_behind(sample, [b"1"], partition=None)
    process = sample.consumer(abandoned_after_s=60.0)

    async with process():
        await process.consumer._relay.run_once()

    assert await sample.published() == []


async def test_of_a_transaction_over_two_partitions_only_what_was_published_is_deleted(
    sample: Sample,
) -> None:
    leave_behind(sample, [b"ours", b"theirs"], partition=None)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.outbox SET partition = CASE WHEN seq = 0 THEN 1 ELSE 9 END")

    async with sample.consumer()():
        pass

    assert sample.query("SELECT convert_from(value, 'UTF8') FROM sample.outbox") == [("theirs",)]


def leave_behind(sample: Sample, values: list[bytes], partition: int | None) -> None:
    """Write outbox rows like a process that ends right after its commit."""
    with psycopg.connect(sample.database_url) as conn:
        for number, value in enumerate(values):
            conn.execute(
                "INSERT INTO sample.outbox (batch, seq, topic, partition, key, value, headers)"
                " VALUES (nextval('sample.outbox_batch') * 0 + 1, %s, %s, %s, 'k', %s, %s)",
                (number, sample.out, partition, value, b"\x90"),
            )


async def test_a_relay_that_is_cancelled_while_it_stores_leaves_no_connection_open(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Connection] = []

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def connect(settings: DatabaseSettings, name: str) -> Connection:
        opened.append(await connect_for_all_practices(settings, name))
        monkeypatch.setattr(opened[-1], "commit", asyncio.Event().wait)
        monkeypatch.setattr(opened[-1], "rollback", cancelled)
        return opened[-1]

    monkeypatch.setattr(relay, "connect_for_all_practices", connect)
    async with sample.consumer()():
        await until(lambda: bool(opened), "the relay")
    assert [one.closed for one in opened] == [True]
