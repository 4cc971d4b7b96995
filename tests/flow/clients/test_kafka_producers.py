"""Producers beside ingest, on a real Kafka that lets them write ratings and nothing else."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.kafka.run import KafkaNode, free_port
from schemas import topics
from schemas.topics import PARTITIONS
from tests.support.backend import Backend, apply_topics
from tests.support.ingest.running import all_records
from tests.support.service_stack import running_stack, wait_until

pytestmark = [pytest.mark.durable, pytest.mark.timeout(180)]

PRODUCERS = Path(__file__).resolve().parents[3] / "clients" / "kafka"
SECRET = "the bridge's own secret of at least thirty-two bytes"
USER, PASSWORD = "bridge", "a password of tests"
RIGHTS = (AclOperation.DESCRIBE, AclOperation.WRITE)
"""What docs/kafka-producers.md asks for, on each topic of ratings."""


@pytest.fixture(scope="module")
def guarded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Backend, str]]:
    """A Kafka with access control lists: the services sign in as nobody, who may do everything.

    With it comes the address at which `USER` signs in.
    """
    port = free_port()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule"
    doors = f"PLAINTEXT://127.0.0.1:@port@,SIGNED_IN://127.0.0.1:{port}"
    settings = {
        "listeners": f"{doors},CONTROLLER://127.0.0.1:@controller_port@",
        "advertised.listeners": doors,
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SIGNED_IN:SASL_PLAINTEXT"
        ),
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.signed_in.plain.sasl.jaas.config": f'{login} required user_{USER}="{PASSWORD}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    node = KafkaNode(tmp_path_factory.mktemp("kafka"), settings=settings)
    node.start()
    try:
        environment = {"KAFKA_BOOTSTRAP_SERVERS": node.bootstrap}
        apply_topics(environment)
        rights = [
            AclBinding(
                ResourceType.TOPIC,
                topic.name,
                ResourcePatternType.LITERAL,
                f"User:{USER}",
                "*",
                right,
                AclPermissionType.ALLOW,
            )
            for topic in topics.LANES
            for right in RIGHTS
        ]
        admin = AdminClient({"bootstrap.servers": node.bootstrap, "log_level": 0})
        for made in admin.create_acls(rights).values():
            made.result(timeout=15)
        yield Backend("guarded", node.bootstrap, environment, PARTITIONS), f"127.0.0.1:{port}"
    finally:
        node.stop()


def rating(number: int) -> dict[str, object]:
    return {
        "id": f"r-{number}",
        "client_id": f"c-{number}",
        "therapist_id": "t-1",
        "session_id": f"s-{number}",
        "session_at": "2026-01-05T10:00:00+01:00",
        "instrument": "srs",
        "items": [9, 8.8, None, 9.1],
    }


def write(script: str, address: str, ratings: list[dict[str, object]]) -> None:
    environment: Mapping[str, str] = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": address,
        "KAFKA_USERNAME": USER,
        "KAFKA_PASSWORD": PASSWORD,
        "RAPPORT_PRACTICE": "north",
        "RECORD_KEY_SECRET": SECRET,
    }
    lines = "\n".join(json.dumps(each) for each in ratings)
    done = subprocess.run(
        [sys.executable, str(PRODUCERS / script)],
        input=lines,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_producers_and_ingest_make_one_rating_of_the_same_body(
    guarded_kafka: tuple[Backend, str], database_url: str, tmp_path: Path
) -> None:
    backend, address = guarded_kafka
    ratings = [rating(number) for number in range(20)]
    with running_stack(backend, database_url, tmp_path) as stack:
        write("with_confluent_kafka.py", address, ratings)
        write("with_aiokafka.py", address, ratings)
        stack.send("north", ratings)
        wait_until(lambda: sum(stack.balance().deliveries.values()) == 60, "every delivery has an outcome")
        outcomes = {name: count for name, count in stack.balance().deliveries.items() if count}
    assert outcomes == {"assessed": 20, "duplicate": 40}

    written = [
        one for one in asyncio.run(all_records(backend.bootstrap)) if one.event["source"] == "/your-bridge"
    ]
    assert len(written) == 40
    for one in written:
        assert one.partition == (murmur2(one.key) & 0x7FFFFFFF) % PARTITIONS
        assert [name for name, _ in one.headers] == ["content-type"]


@pytest.mark.parametrize(
    "topic", [topic.name for topic in topics.ALL if topic not in topics.LANES], ids=lambda name: name
)
def test_a_producer_may_write_no_other_topic(guarded_kafka: tuple[Backend, str], topic: str) -> None:
    _, address = guarded_kafka
    found: list[int] = []
    producer = Producer(
        {
            "bootstrap.servers": address,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": USER,
            "sasl.password": PASSWORD,
            "log_level": 0,
        }
    )
    producer.produce(topic, b"x", on_delivery=lambda error, _: found.append(error.code() if error else 0))
    assert producer.flush(20) == 0
    assert found == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
