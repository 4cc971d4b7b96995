"""Revoked partitions, owners that were paused, and the settings that the live clients use."""

import asyncio

import psycopg
import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor

from services.runtime.consumer import watchdog
from services.runtime.consumer.commit_offsets import commit_offsets
from services.runtime.kafka.producer import MAX_BATCH_BYTES, Producer
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample


async def test_partitions_are_given_up_only_after_the_batch_in_flight(sample: Sample) -> None:
    await sample.send(range(3))
    reached, may_continue = asyncio.Event(), asyncio.Event()
    handle = sample.handle

    async def slow(tx: object, records: object) -> None:
        reached.set()
        await may_continue.wait()
        await handle(tx, records)  # type: ignore[arg-type]

    sample.handle = slow  # type: ignore[method-assign]
    async with sample.consumer()() as consumer:
        await reached.wait()
        session = consumer.session
        assert session is not None
        giving_up = asyncio.create_task(session.on_revoked(frozenset({(sample.topic, 0)})))
        done, _ = await asyncio.wait([giving_up], timeout=0.2)
        assert not done

        may_continue.set()
        await giving_up

        assert sample.effects() == ["0", "1", "2"]
        assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]
        assert consumer.owned_partitions(sample.topic) == frozenset()


async def test_records_read_before_a_rebalance_are_read_again(sample: Sample) -> None:
    process = sample.consumer()
    async with process() as consumer:
        session = consumer.session
        assert session is not None
        partitions = frozenset((sample.topic, number) for number in range(4))
        await session.on_revoked(partitions)
        session.on_assigned(partitions)
        await sample.send(range(5))

        await until(lambda: sample.effects() == ["0", "1", "2", "3", "4"])

        assert consumer.owned_partitions(sample.topic) == frozenset(range(4))


async def test_a_partition_that_another_process_took_over_is_ignored_until_the_group_decides_again(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "REJOIN_AFTER_S", (2.0, 2.0))
    process = sample.consumer()
    async with process():
        with psycopg.connect(sample.database_url) as conn:
            conn.execute("UPDATE sample.epoch SET epoch = epoch + 1 WHERE partition = 0")
        await sample.send(range(3), partition=0)
        await until(lambda: "consumer" in process.reasons, "the reason")

        assert f"another process took over {sample.topic}/0" in process.reasons["consumer"]
        assert sample.effects() == []
        assert await sample.published() == []
        assert process.value("rapport_consumer_fenced_partitions") == 1

        await sample.send(["7"], partition=1)
        await until(lambda: sample.effects() == ["7"], "the partition that is still ours")
        assert not process.health.healthy

        await until(lambda: sample.effects() == ["0", "1", "2", "7"], "the partition, after joining again")
        await until(lambda: process.health.healthy, "readiness")
        assert process.value("rapport_consumer_fenced_partitions") == 0


async def test_each_assignment_raises_the_epoch(sample: Sample) -> None:
    async with sample.consumer()():
        pass
    async with sample.consumer()():
        pass

    assert sample.query("SELECT DISTINCT epoch FROM sample.epoch") == [(2,)]


async def test_equal_partition_numbers_of_all_topics_have_one_owner(sample: Sample) -> None:
    await sample.send(["1"], partition=2)
    await sample.send(["2"], partition=2, topic=sample.second)

    async with sample.consumer(topics=[sample.topic, sample.second])() as consumer:
        await until(lambda: sorted(sample.effects()) == ["1", "2"])

        assert (
            consumer.owned_partitions(sample.topic)
            == consumer.owned_partitions(sample.second)
            == frozenset(range(4))
        )


async def test_the_live_consumer_has_the_settings_that_lose_nothing(sample: Sample) -> None:
    async with sample.consumer()() as consumer:
        session = consumer.session
        assert session is not None
        live = session.subscription.consumer

        assert live._enable_auto_commit is False
        assert live._auto_offset_reset == "none"
        assert live._isolation_level == "read_committed"
        assert live._partition_assignment_strategy == (RangePartitionAssignor,)
        assert live._coordinator._group_instance_id is None
        assert live._coordinator._session_timeout_ms == 1800
        assert live._rebalance_timeout_ms == 60_000


async def test_a_static_member_uses_its_instance_id(sample: Sample) -> None:
    kafka = sample.kafka.model_copy(update={"group_instance_id": "replica-1"})
    async with sample.consumer(kafka=kafka)() as consumer:
        session = consumer.session
        assert session is not None

        assert session.subscription.consumer._coordinator._group_instance_id == "replica-1"


async def test_the_live_producer_waits_for_all_replicas_and_is_idempotent(sample: Sample) -> None:
    producer = Producer(sample.kafka.model_copy(update={"embedded": False}))
    await producer.start()
    try:
        live = producer._client
        assert live is not None

        assert live._sender._acks == -1
        assert live._txn_manager is not None
        assert live._txn_manager.transactional_id is None
        assert live._message_accumulator._batch_size == MAX_BATCH_BYTES
        assert live._message_accumulator._linger_time == 0.005
        assert live._compression_type is None
    finally:
        await producer.stop()


async def test_the_framework_logs_nothing_for_an_ordinary_batch(sample: Sample, caplog: object) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)

    records = [r for r in caplog.records if r.name.startswith(("faststream", "aiokafka"))]  # type: ignore[attr-defined]
    assert [r.getMessage() for r in records if r.name.startswith("faststream")] == []


async def test_an_offset_commit_that_fails_is_counted_and_shown_until_one_succeeds(sample: Sample) -> None:
    process = sample.consumer()
    async with process() as consumer:
        session = consumer.session
        assert session is not None
        live = session.subscription.consumer
        await commit_offsets(live, {(sample.topic, 99): 1}, process.metrics, process.health)
        failed = dict(process.reasons)
        await sample.send(["1"])
        await until(lambda: process.health.healthy, "readiness")

        assert "committing offsets failed" in failed["offsets"]
        assert process.value("rapport_commit_failures_total") == 1


async def test_a_stop_does_not_wait_for_a_broker_that_is_away(sample: Sample) -> None:
    kafka = sample.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    process = sample.consumer(kafka=kafka)

    async with asyncio.timeout(5):
        async with process(ready=False):
            await until(lambda: process.value("rapport_retries_total", reason="kafka") >= 1)
