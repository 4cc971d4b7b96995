"""Runs one Apache Kafka node (KRaft) without containers.

    python -m deploy.kafka.run [--folder .rapport/kafka] [--port 9092]

It runs until Ctrl-C. A later run with the same folder has the same records; tests kill and restart it.
"""

import argparse
import base64
import json
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from deploy.kafka.jars import HERE, fetch

READY_DEADLINE_S = 600.0
STOP_DEADLINE_S = 30.0
JAVA_OPTIONS = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")
TOOL_OPTIONS = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def free_port() -> int:
    """Return a free TCP port on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class KafkaNode:
    """One Kafka broker and controller; its records are stored in its folder."""

    def __init__(
        self, folder: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        """Prepare a node without starting it.

        `port` None: the folder's previous port, or else a free one. `settings` override or extend
        server.properties and may contain the same placeholders: `@port@`, `@controller_port@`, `@folder@`.
        """
        self.folder = folder.resolve()
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        before = self._remembered()
        self.port = port or before.get("port") or free_port()
        self._controller_port = before.get("controller_port") or free_port()

    def _remembered(self) -> dict[str, int]:
        file = self.folder / "ports.json"
        found: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        return found

    @property
    def bootstrap(self) -> str:
        """The address for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def log_file(self) -> Path:
        """The broker's log file."""
        return self.folder / "kafka.log"

    def start(self) -> None:
        """Format the folder if it is new, start the broker, and return when it answers.

        Raises:
            RuntimeError: it runs already, Java or the jars are missing, or it is not ready in time.
        """
        if self.is_running():
            raise RuntimeError(f"Kafka in {self.folder} is running already")
        classpath = f"{fetch()}/*"
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self._write_config()
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(classpath, config)
        java = ["java", *JAVA_OPTIONS, *self._logging(), "-cp", classpath, "kafka.Kafka", str(config)]
        with self.log_file.open("ab") as log:
            # A session of its own: Ctrl-C must reach only this process, which stops the broker in order.
            self._process = subprocess.Popen(java, stdout=log, stderr=log, start_new_session=True)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop cleanly, so that the next start needs no recovery."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Send SIGSTOP: connections stay open and nothing answers, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen broker go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def restart(self) -> None:
        """Stop and start with the same folder and port."""
        self.stop()
        self.start()

    def is_running(self) -> bool:
        """Return whether the broker's process runs."""
        return self._process is not None and self._process.poll() is None

    def _logging(self) -> tuple[str, ...]:
        return (f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}",)

    def _write_config(self) -> Path:
        ports = {"port": self.port, "controller_port": self._controller_port}
        (self.folder / "ports.json").write_text(json.dumps(ports))
        text = (HERE / "server.properties").read_text()
        text += "".join(f"{name}={value}\n" for name, value in self._settings.items())
        for name, value in {**ports, "folder": self.folder}.items():
            text = text.replace(f"@{name}@", str(value))
        config = self.folder / "server.properties"
        config.write_text(text)
        return config

    def _format(self, classpath: str, config: Path) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode().replace("-", "_")
        tool = ["java", *TOOL_OPTIONS, *self._logging(), "-cp", classpath, "kafka.tools.StorageTool"]
        done = subprocess.run(
            [*tool, "format", "--cluster-id", cluster, "--config", str(config)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"Kafka could not format {self.folder}: {done.stdout}{done.stderr}")

    def _wait_until_ready(self) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        deadline = time.monotonic() + READY_DEADLINE_S
        while time.monotonic() < deadline:
            if not self.is_running():
                tail = self.log_file.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"Kafka ended while starting; the end of {self.log_file}:\n{tail}")
            try:
                if admin.list_topics(timeout=0.25).brokers:
                    return
            except KafkaException:
                continue
        self.kill()
        raise RuntimeError(f"Kafka did not answer within {READY_DEADLINE_S:.0f} s; see {self.log_file}")


def main() -> int:
    """Run one node in the foreground until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".rapport/kafka"), help="folder of its records")
    parser.add_argument("--port", type=int, default=9092, help="loopback port (default: %(default)s)")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    node = KafkaNode(given.folder, port=given.port)
    started = time.monotonic()
    try:
        node.start()
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"Kafka is ready on {node.bootstrap} after {time.monotonic() - started:.1f} s.")
    print(f"Records and log: {node.folder}. Ctrl-C stops it; the records stay.")
    print(f"Next: KAFKA_BOOTSTRAP_SERVERS={node.bootstrap} .venv/bin/rapport topics apply", flush=True)
    try:
        while node.is_running():
            time.sleep(0.5)
    except KeyboardInterrupt:
        print("Stopping …")
        node.stop()
        return 0
    sys.stderr.write(f"Kafka ended by itself; see {node.log_file}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
