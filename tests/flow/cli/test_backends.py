"""Every Kafka that tests run on behaves as its description says."""

import pytest
from confluent_kafka import Consumer, Producer

from schemas.topics import SESSION_RATED
from tests.support.backend import Backend


def _write(backend: Backend, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": backend.bootstrap, "acks": "all", "log_level": 0})
    producer.produce(SESSION_RATED.name, value, partition=0)
    assert producer.flush(20) == 0


def _read_one(backend: Backend) -> bytes | None:
    reader = Consumer(
        {
            "bootstrap.servers": backend.bootstrap,
            "group.id": "r",
            "auto.offset.reset": "earliest",
            "log_level": 0,
        }
    )
    reader.subscribe([SESSION_RATED.name])
    try:
        message = reader.poll(30)
        return message.value() if message is not None and message.error() is None else None
    finally:
        reader.close()


def test_what_is_written_can_be_read(backend: Backend) -> None:
    _write(backend, b"one")

    assert _read_one(backend) == b"one"


def test_a_topic_has_the_partitions_that_the_backend_names(backend: Backend) -> None:
    _write(backend, b"one")
    client = Producer({"bootstrap.servers": backend.bootstrap, "log_level": 0})

    assert len(client.list_topics(SESSION_RATED.name, timeout=10).topics[SESSION_RATED.name].partitions) == (
        backend.partitions
    )


@pytest.mark.durable
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_records_survive_the_end_of_a_durable_backend(backend: Backend, end: str) -> None:
    _write(backend, b"kept")
    getattr(backend, end)()
    backend.start()

    assert _read_one(backend) == b"kept"
