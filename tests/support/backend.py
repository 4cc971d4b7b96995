"""One interface over every Kafka that tests run on: the embedded broker, a real node, a container.

The fixture `backend` (in `needs.py`) runs a test on each kind; tests marked `durable` run only on those
that keep their records over a restart.
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


class Node(Protocol):
    """A Kafka that keeps its records over a restart."""

    @property
    def bootstrap(self) -> str:
        """Its address, the same after each start."""

    def start(self) -> None:
        """Start it, and return once it answers."""

    def stop(self) -> None:
        """Stop it cleanly."""

    def kill(self) -> None:
        """End it like a power cut."""

    def restart(self) -> None:
        """Stop and start."""

    def is_running(self) -> bool:
        """Whether it runs now."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A running Kafka. What it cannot do is not there to call."""

    name: str
    bootstrap: str
    kafka_env: Mapping[str, str]
    """The environment that reaches it (`KAFKA_…`)."""
    partitions: int
    """Partitions of every topic."""
    node: Node | None = None

    @property
    def durable(self) -> bool:
        """Whether records survive its own end."""
        return self.node is not None

    def stop(self) -> None:
        """Stop it cleanly."""
        self._durable_node().stop()

    def kill(self) -> None:
        """End it like a power cut."""
        self._durable_node().kill()

    def start(self) -> None:
        """Start it again at the same address, with the same records."""
        self._durable_node().start()

    def restart(self) -> None:
        """Stop and start."""
        self._durable_node().restart()

    def _durable_node(self) -> Node:
        assert self.node is not None, f"{self.name} keeps nothing: mark the test `durable`"
        return self.node


@contextmanager
def embedded_backend() -> Iterator[Backend]:
    """The in-memory broker; topics come on first use with 4 partitions."""
    with embedded_kafka() as bootstrap:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "KAFKA_EMBEDDED": "true",
            # It knows no static membership, and a member that is gone only by its silence.
            "KAFKA_SESSION_TIMEOUT_S": "3",
        }
        yield Backend("embedded", bootstrap, environment, EMBEDDED_PARTITIONS)


@contextmanager
def real_node() -> Iterator[KafkaNode]:
    """A Kafka node in a temporary folder: it starts in seconds, so one serves a whole run."""
    with tempfile.TemporaryDirectory(prefix="rapport-kafka-") as folder, ExitStack() as last:
        node = KafkaNode(Path(folder))
        node.start()
        last.callback(node.stop)
        yield node


@contextmanager
def real_backend(node: Node, name: str = "kafka") -> Iterator[Backend]:
    """That node with empty topics, as `rapport topics apply` makes them."""
    if not node.is_running():
        node.start()
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": node.bootstrap,
        # One replica of each: who comes back after a kill takes its own place, without waiting for a timeout.
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
    # Positions of groups go with their topics, so the next test finds a cluster that has seen nothing.
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    names = [topic.name for topic in ALL]
    for deleted in admin.delete_topics(names, operation_timeout=10).values():
        deleted.result(timeout=15)
    ends = time.monotonic() + 15
    while set(names) & set(admin.list_topics(timeout=5).topics):
        assert time.monotonic() < ends, "topics were deleted but do not go"
        time.sleep(0.02)
