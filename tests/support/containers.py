"""Runs Kafka and PostgreSQL in containers for tests, from the images of docker-compose.yml.

testcontainers' own settings (`TESTCONTAINERS_…`) apply. Without its reaper everything still works: what is
started here is removed here.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import docker
import psycopg
from docker.errors import APIError, ImageNotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from tests.support.images import image_of
from tests.support.kafka_container import KafkaContainer

READY_DEADLINE_S = 60.0
POLL_S = 0.2
PASSWORD = "for this run alone"


@cache
def settle_reaper() -> None:
    """Disable the reaper where its image cannot be pulled."""
    if testcontainers_config.ryuk_disabled:
        return
    engine = docker.from_env()
    try:
        engine.images.get(testcontainers_config.ryuk_image)
    except ImageNotFound:
        try:
            engine.images.pull(testcontainers_config.ryuk_image)
        except APIError:
            testcontainers_config.ryuk_disabled = True
    finally:
        engine.close()


@contextmanager
def kafka_container() -> Iterator[KafkaContainer]:
    """Run a Kafka node in a container, without topics."""
    settle_reaper()
    node = KafkaContainer(image_of("kafka"))
    try:
        node.start()
        yield node
    finally:
        node.remove()


@contextmanager
def postgres_container() -> Iterator[str]:
    """Run PostgreSQL in a container; yield a URL with the right to create databases."""
    settle_reaper()
    container = DockerContainer(image_of("postgres"))
    host = container.get_docker_client().host()
    # The engine chooses the port, so that nobody can take it in between.
    container.ports["5432/tcp"] = ("127.0.0.1", None) if host in {"localhost", "127.0.0.1"} else None
    container.with_env("POSTGRES_PASSWORD", PASSWORD).with_kwargs(shm_size="128m")
    container.tmpfs["/var/lib/postgresql"] = "mode=1777"
    try:
        container.start()
        port = container.get_docker_client().port(container.get_container_id(), 5432)
        url = f"postgresql://postgres:{PASSWORD.replace(' ', '%20')}@{host}:{port}/postgres?sslmode=disable"
        _wait_ready(url)
        yield url
    finally:
        container.stop()


def _wait_ready(url: str) -> None:
    ends = time.monotonic() + READY_DEADLINE_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > ends:
                raise TimeoutError(f"PostgreSQL's container did not answer: {type(error).__name__}") from None
            time.sleep(POLL_S)
        else:
            return
