"""Several replicas, a broker that restarts and records that retention deleted, on a real broker."""

import asyncio
import os
import signal
import sys

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.kafka.run import KafkaNode
from tests.support.runtime.running_sample import Running, until
from tests.support.runtime.sample_service import Sample

pytestmark = pytest.mark.durable

VALUES = [str(number) for number in range(400)]


@pytest.fixture
def sample(kafka_node: KafkaNode, database_url: str) -> Sample:
    """Return the sample service on a real broker."""
    service = Sample(kafka_node.bootstrap, database_url, embedded=False)
    service.create_tables()
    service.create_topics()
    return service


def owns(process: Running, sample: Sample) -> frozenset[int]:
    """Return the partitions that a process works on."""
    return process.consumer.owned_partitions(sample.topic)


async def check_complete(sample: Sample) -> None:
    """Check that every record took effect once and was published in order within its partition."""
    await until(lambda: sorted(sample.effects(), key=int) == VALUES, "all effects")
    await until(lambda: sample.query("SELECT sum(next_offset) FROM sample.applied") == [(len(VALUES),)])
    wanted = [value for partition in range(4) for value in VALUES if int(value) % 4 == partition]
    assert wanted == list(dict.fromkeys(await sample.published()))


async def test_two_replicas_share_the_partitions_and_hand_them_over(sample: Sample) -> None:
    first, second = (sample.consumer(max_records=5) for _ in range(2))

    async with first():
        await sample.send(VALUES[:200], partition=None)
        async with second():
            await until(lambda: len(owns(first, sample)) == len(owns(second, sample)) == 2, "the sharing")
            assert owns(first, sample) | owns(second, sample) == frozenset(range(4))
            await sample.send(VALUES[200:300], partition=None)
        await until(lambda: owns(first, sample) == frozenset(range(4)), "the takeover")
        await sample.send(VALUES[300:], partition=None)
        await check_complete(sample)

    assert len(await sample.published()) == len(VALUES)


async def test_a_restart_of_the_broker_loses_and_repeats_nothing(
    sample: Sample, kafka_node: KafkaNode
) -> None:
    await sample.send(VALUES, partition=None)
    process = sample.consumer(max_records=10)

    async with process():
        await until(lambda: len(sample.effects()) >= 50)
        await asyncio.to_thread(kafka_node.restart)
        await check_complete(sample)
        await until(lambda: process.health.healthy, "readiness")

    assert len(await sample.published()) == len(VALUES)


async def test_a_paused_replica_leaves_partitions_alone_that_another_took_over(sample: Sample) -> None:
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": sample.bootstrap,
        "DATABASE_URL": sample.database_url,
        "SAMPLE_EMBEDDED": "",
    }
    paused = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.runtime.sample_process", sample.name, env=environment
    )
    try:
        await sample.send(VALUES[:200], partition=None)
        await until(lambda: len(sample.effects()) >= 10, "the first effects")
        paused.send_signal(signal.SIGSTOP)
        async with sample.consumer(max_records=10)():
            await until(lambda: len(sample.effects()) >= 200, "the other replica")
            paused.send_signal(signal.SIGCONT)
            await sample.send(VALUES[200:], partition=None)
            await check_complete(sample)
    finally:
        paused.kill()
        await paused.wait()


async def test_records_deleted_before_they_were_read_halt(sample: Sample) -> None:
    await sample.send(VALUES[:10])
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    await sample.send(VALUES[10:20])
    admin = AdminClient({"bootstrap.servers": sample.bootstrap, "log_level": 0})
    for deleted in admin.delete_records([TopicPartition(sample.topic, 0, 15)]).values():
        deleted.result(timeout=10)
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")

    assert "5 records were deleted from the log before they were read" in process.reasons_at_stop["consumer"]


async def test_a_static_member_gets_its_partitions_back_at_once_after_a_kill(sample: Sample) -> None:
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": sample.bootstrap,
        "DATABASE_URL": sample.database_url,
        "KAFKA_GROUP_INSTANCE_ID": "only",
        "SAMPLE_EMBEDDED": "",
    }
    await sample.send(VALUES[:200], partition=None)
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.runtime.sample_process",
        sample.name,
        env=environment | {"RAPPORT_KILL_AT": "after-publish-one:3"},
    )
    await killed.wait()
    kafka = sample.kafka.model_copy(update={"group_instance_id": "only", "session_timeout_s": 30.0})

    async with asyncio.timeout(15):
        async with sample.consumer(kafka=kafka)():
            await sample.send(VALUES[200:], partition=None)
            await check_complete(sample)
