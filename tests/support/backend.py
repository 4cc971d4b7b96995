"""Gives every Kafka that tests run on (embedded broker, real node, container) one interface.

The fixture `backend` (in `machine_requirements.py`) runs a test on each kind; tests marked `durable` run only
on those that keep their records over a restart.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from confluent_kafka.admin import AdminClient

from deploy.kafka.run import KafkaNode
from schemas.topics import ALL, PARTITIONS
from services.runtime.kafka.client_options import EMBEDDED_PARTITIONS
from tests.support.embedded_kafka import embedded_kafka


class DurableNode(Protocol):
    """A Kafka node that keeps its records over a restart."""

    @property
    def bootstrap(self) -> str:
        """The bootstrap address, which is the same after each start."""

    def start(self) -> None:
        """Start the node and return once it responds."""

    def stop(self) -> None:
        """Stop the node cleanly."""

    def kill(self) -> None:
        """End the node like a power cut."""

    def restart(self) -> None:
        """Stop and start the node."""

    def is_running(self) -> bool:
        """Return whether the node is running."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A running Kafka; only one with a `node` can be stopped and started."""

    name: str
    bootstrap: str
    kafka_env: Mapping[str, str]
    """The environment variables for connecting to it (`KAFKA_…`)."""
    partitions: int
    """The number of partitions of every topic."""
    node: DurableNode | None = None

    @property
    def durable(self) -> bool:
        """Whether records survive a stop."""
        return self.node is not None

    def stop(self) -> None:
        """Stop the node cleanly."""
        self._durable_node().stop()

    def kill(self) -> None:
        """End the node like a power cut."""
        self._durable_node().kill()

    def start(self) -> None:
        """Start the node again at the same address, with the same records."""
        self._durable_node().start()

    def restart(self) -> None:
        """Stop and start the node."""
        self._durable_node().restart()

    def _durable_node(self) -> DurableNode:
        assert self.node is not None, f"{self.name} keeps no records over a restart: mark the test `durable`"
        return self.node


@contextmanager
def embedded_backend() -> Iterator[Backend]:
    """Run the embedded broker; topics are created on first use with 4 partitions."""
    with embedded_kafka() as bootstrap:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "KAFKA_EMBEDDED": "true",
            # It has no static membership and notices a lost member only by the session timeout.
            "KAFKA_SESSION_TIMEOUT_S": "3",
        }
        yield Backend("embedded", bootstrap, environment, EMBEDDED_PARTITIONS)


@contextmanager
def real_node() -> Iterator[KafkaNode]:
    """Run a Kafka node in a temporary folder; one node serves a whole test run."""
    with tempfile.TemporaryDirectory(prefix="rapport-kafka-") as folder, ExitStack() as stack:
        node = KafkaNode(Path(folder))
        node.start()
        stack.callback(node.stop)
        yield node


@contextmanager
def real_backend(node: DurableNode, name: str = "kafka") -> Iterator[Backend]:
    """Create empty topics on this node with `rapport topics apply`, and delete them afterwards."""
    if not node.is_running():
        node.start()
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": node.bootstrap,
        # There is one replica of each service: after a kill it gets its partitions back without a timeout.
        "KAFKA_GROUP_INSTANCE_ID": "test",
    }
    apply_topics(environment)
    yield Backend(name, node.bootstrap, environment, PARTITIONS, node)
    if not node.is_running():
        node.start()
    _delete_topics(node.bootstrap)


def apply_topics(kafka_env: Mapping[str, str]) -> None:
    """Create the topics with the command that operators use."""
    command = [sys.executable, "-m", "services.cli", "topics", "apply"]
    done = subprocess.run(
        command, env={**os.environ, **kafka_env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _delete_topics(bootstrap: str) -> None:
    # Kafka deletes the offsets of groups with their topics, so the next test starts with an empty cluster.
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    names = [topic.name for topic in ALL]
    for deleted in admin.delete_topics(names, operation_timeout=10).values():
        deleted.result(timeout=15)
    deadline = time.monotonic() + 15
    while set(names) & set(admin.list_topics(timeout=5).topics):
        assert time.monotonic() < deadline, "the deleted topics still exist"
        time.sleep(0.02)
