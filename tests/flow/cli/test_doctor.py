"""`rapport doctor` reads the consumers' lag from the logs, and says when a restored database catches up."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Producer

from schemas import topics
from services.cli.admin.consumer_lag import check_lag
from services.cli.admin.kafka_topics import admin_client, describe_cluster
from services.cli.endpoints import Endpoints
from services.cli.home import Home
from services.runtime.process.cli_plugin import CheckResult, Verdict
from services.runtime.process.settings import KafkaSettings
from tests.support.backend import Backend, embedded_backend

TOPIC = topics.EPISODE_CHANGED.name
HISTORY = topics.SESSION_HISTORY_RATED.name
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def broker() -> Iterator[Backend]:
    """An embedded broker, whose topics are created on first use."""
    with embedded_backend() as ready:
        yield ready


@pytest.fixture
def endpoints(
    broker: Backend, migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Endpoints:
    """What the environment names."""
    for name, value in {**broker.kafka_env, "DATABASE_URL": migrated_url}.items():
        monkeypatch.setenv(name, value)
    return Endpoints(Home(tmp_path), None)


def write(broker: Backend, topic: str, *ages_min: float) -> tuple[int, int]:
    """Write records of these ages in minutes to partition 0; return the first offset and the one after."""
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    offsets: list[int] = []
    for age in ages_min:
        producer.produce(
            topic,
            b"{}",
            partition=0,
            timestamp=int(time.time() * 1000 - age * MINUTE_MS),
            on_delivery=lambda _error, message: offsets.append(message.offset()),
        )
    assert producer.flush(60) == 0
    return min(offsets), max(offsets) + 1


def apply(url: str, service: str, topic: str, offset: int) -> None:
    """Store how far a service has applied partition 0 of a topic."""

    async def cluster() -> str:
        async with admin_client(KafkaSettings()) as admin:
            return (await describe_cluster(admin, configs=False)).id

    id_ = asyncio.run(cluster())
    with psycopg.connect(url) as conn:
        conn.execute(f"INSERT INTO {service}.cluster (cluster_id) VALUES (%s) ON CONFLICT DO NOTHING", [id_])
        conn.execute(f"INSERT INTO {service}.applied VALUES (%s, %s, 0, %s)", [id_, topic, offset])


def checked(endpoints: Endpoints) -> list[CheckResult]:
    async def collect() -> list[CheckResult]:
        return [result async for result in check_lag(endpoints)]

    return asyncio.run(collect())


def test_nothing_is_said_of_services_that_have_read_nothing(endpoints: Endpoints) -> None:
    assert checked(endpoints) == []


def test_what_waits_for_long_is_bad_and_names_where_and_how_long(
    broker: Backend, endpoints: Endpoints, migrated_url: str
) -> None:
    first, _ = write(broker, TOPIC, 12.5, 1)
    apply(migrated_url, "notifier", TOPIC, first)
    (found,) = checked(endpoints)
    assert (found.name, found.verdict) == ("lag of notifier", Verdict.BAD)
    assert found.found == f"2 records wait, the oldest in {TOPIC}/0 for 12 minutes"


def test_what_has_just_arrived_and_history_that_waits_are_good(
    broker: Backend, endpoints: Endpoints, migrated_url: str
) -> None:
    first, _ = write(broker, TOPIC, 1)
    apply(migrated_url, "notifier", TOPIC, first)
    history, _ = write(broker, HISTORY, 300)
    apply(migrated_url, "detector", HISTORY, history)
    assert [(one.verdict, one.found) for one in checked(endpoints)] == [
        (Verdict.GOOD, "1 records wait, none for long")
    ] * 2


def test_everything_read_is_good_and_more_than_the_log_holds_is_bad(
    broker: Backend, endpoints: Endpoints, migrated_url: str
) -> None:
    _, end = write(broker, TOPIC, 1)
    apply(migrated_url, "notifier", TOPIC, end)
    assert [one.found for one in checked(endpoints)] == ["everything in the logs is read"]
    apply(migrated_url, "detector", TOPIC, end + 5)
    lag, _ = checked(endpoints)
    assert (lag.name, lag.verdict) == ("lag of detector", Verdict.BAD)
    assert lag.found == f"the log does not hold what was read last of {TOPIC}/0"
