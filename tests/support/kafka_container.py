"""Runs Apache Kafka's image as one node on a free loopback port."""

import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from testcontainers.core.container import DockerContainer

from tests.support.ports import lasting_ports

READY_DEADLINE_S = 60.0
POLL_S = 0.2

FOLDER = Path(__file__).resolve().parents[2] / "deploy"
FILES = ("compose/kafka/start.sh", "compose/kafka/server.properties", "kafka/log4j2.properties")
"""What docker-compose.yml mounts into its node: users and tests run the same settings."""


class KafkaContainer:
    """One node; `start` after `stop` or `kill` comes back at the same address with the same records."""

    def __init__(self, image: str) -> None:
        self._container = DockerContainer(image)
        host = self._container.get_docker_client().host()
        port = lasting_ports()
        self.bootstrap = f"{host}:{port}"
        # An engine elsewhere cannot publish on our loopback interface.
        here = host in {"localhost", "127.0.0.1"}
        self._container.ports["9092/tcp"] = ("127.0.0.1", port) if here else port
        for file in FILES:
            self._container.with_copy_into_container(FOLDER / file, f"/rapport/{Path(file).name}")
        self._container.with_env("KAFKA_HEAP_OPTS", "-Xms128m -Xmx384m")
        self._container.with_command(["--override", f"advertised.listeners=PLAINTEXT://{self.bootstrap}"])
        self._container.with_kwargs(entrypoint=["/bin/bash", "/rapport/start.sh"])
        self._made = False

    def start(self) -> None:
        """Start it, and return once it answers."""
        if self._made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._made = True
        self._wait_ready()

    def stop(self) -> None:
        """Stop it cleanly."""
        self._container.get_wrapped_container().stop(timeout=30)

    def kill(self) -> None:
        """End it like a power cut."""
        self._container.get_wrapped_container().kill()
        self._container.get_wrapped_container().wait()

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Whether it runs now."""
        container = self._container.get_wrapped_container()
        container.reload()
        return str(container.status) == "running"

    def remove(self) -> None:
        """Leave nothing behind."""
        self._container.stop()

    def _wait_ready(self) -> None:
        ends = time.monotonic() + READY_DEADLINE_S
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        while True:
            try:
                if admin.list_topics(timeout=2).brokers:
                    return
            except KafkaException:
                pass
            if time.monotonic() > ends:
                words = self._container.get_wrapped_container().logs(tail=5).decode(errors="replace")
                raise TimeoutError(
                    f"Kafka's container did not answer within {READY_DEADLINE_S:.0f} s: {words}"
                )
            time.sleep(POLL_S)
