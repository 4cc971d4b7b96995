"""Ratings that are sent as history give way to others, and have the same outcome."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from services.detector.storage.lost_log import forget_log_end, known_records
from services.runtime.http.key_file import add_key
from services.runtime.kafka.record import Record
from services.runtime.process.cli_plugin import LogEnd
from tests.flow.detector.conftest import NewDatabase
from tests.flow.detector.test_order import history
from tests.flow.detector.test_process import running
from tests.support.backend import Backend
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, detector_driver, record_of
from tests.support.invariants import broken, deliveries, stored_assessments, stored_episodes

pytestmark = pytest.mark.backends("embedded", "kafka")

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
WITH_NEWEST = """
SELECT count(*) FROM detector.rating HAVING bool_or(rating_id = 'newest')
"""


def as_history(record: Record) -> Record:
    """Return the record as it stands in the topic of history."""
    return msgspec.structs.replace(record, topic=topics.SESSION_HISTORY_RATED.name)


async def test_a_rating_that_arrives_both_ways_counts_once_and_is_a_duplicate(
    detector: DetectorDriver,
) -> None:
    record = record_of(body(0, GOOD), 5)
    await detector.feed([record])
    await detector.feed([as_history(record)])  # the same partition and offset of the other topic
    await detector.feed([as_history(record), record])  # read again
    assert await deliveries(detector.conn) == {"assessed": 1, "superseded": 0, "duplicate": 1, "rejected": 0}
    assert await broken(detector.conn) == {}


async def test_corrections_and_withdrawals_take_effect_across_both(detector: DetectorDriver) -> None:
    rated, lowered, taken_back = (
        record_of(one, 7, accepted_at=NOW + timedelta(minutes=minute))
        for minute, one in enumerate([body(0, GOOD), body(0, LOW), body(0, status="withdrawn")])
    )
    await detector.feed([as_history(lowered)])
    await detector.feed([rated])
    assert await detector.rows("SELECT current, lane FROM detector.rating ORDER BY 1") == [
        (False, 0),
        (True, 1),
    ]
    await detector.feed([msgspec.structs.replace(as_history(taken_back), offset=8)])
    assert await deliveries(detector.conn) == {"assessed": 1, "superseded": 2, "duplicate": 0, "rejected": 0}
    assert await broken(detector.conn) == {}


async def test_the_outcome_does_not_depend_on_the_way(new_database: NewDatabase) -> None:
    outcomes = []
    for seed in (None, 1, 2):
        rng = random.Random(seed)  # noqa: S311 - a choice of ways is no secret
        records = history(3)
        if seed is not None:
            records = [as_history(one) if rng.random() < 0.5 else one for one in records]
            rng.shuffle(records)
        with new_database() as url:
            async with detector_driver(url) as detector:
                await detector.practice()
                for start in range(0, len(records), 9):
                    await detector.feed(records[start : start + 9])
                assert await broken(detector.conn) == {}
                outcomes.append(
                    (await stored_assessments(detector.conn), await stored_episodes(detector.conn))
                )
    assert outcomes[1] == outcomes[0]
    assert outcomes[2] == outcomes[0]


async def test_a_lost_end_of_one_log_says_nothing_about_the_other(detector: DetectorDriver) -> None:
    record = record_of(body(0, GOOD, id="live"), 5)
    other = as_history(record_of(body(-1, GOOD, id="old"), 5))
    await detector.feed([record, other])
    end = LogEnd("cluster-1", topics.SESSION_HISTORY_RATED.name, record.partition, 0)
    (known,) = await known_records(detector.conn, end)
    assert known.matches(other.key, other.value)
    assert not known.matches(record.key, record.value)
    (lost,) = await forget_log_end(detector.conn, end, "cluster-1~moved")
    assert lost.startswith("rating old of north")
    assert await detector.rows(
        "SELECT rating_id, cluster_id FROM detector.rating JOIN detector.log_cluster ON number = cluster"
        " ORDER BY 1"
    ) == [
        ("live", "cluster-1"),
        ("old", "cluster-1~moved"),
    ]


async def test_a_rating_is_assessed_before_the_history_that_was_sent_earlier(
    backend: Backend, database_url: str, tmp_path: Path
) -> None:
    old = [
        record_of(body(-20 - number % 40, [4] * 9, client_id=f"c{number // 40}", id=f"h{number}"), 0)
        for number in range(1_600)
    ]
    newest = record_of(body(0, [4] * 9, client_id="c0", id="newest"), 0)
    producer = AIOKafkaProducer(bootstrap_servers=backend.bootstrap)
    await producer.start()
    for one in [*map(as_history, old), newest]:
        partition = one.partition % backend.partitions
        await producer.send(one.topic, one.value, key=one.key, partition=partition)
    await producer.stop()
    add_key(tmp_path / "credentials.json", grants=["north"], scopes=["results:read"])
    with running(backend.kafka_env, database_url, tmp_path) as process:
        process.wait_ready(120)
        async with asyncio.timeout(120), detector_driver(database_url) as reading:
            found = 0
            while not found:
                found = sum([count for (count,) in await reading.rows(WITH_NEWEST)])
            assert found < len(old)
            while found < len(old) + 1:
                ((found,),) = await reading.rows("SELECT count(*) FROM detector.assessment")
            assert await broken(reading.conn) == {}
