"""BackingServices in (broker, database, mail), the three services running out: started, waited for, stopped.

The order of starting is the order of the flow from its end, so that nobody writes to a topic before its
reader is there; stopping goes the other way.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from services.cli.home import Home, free_port
from services.cli.local.child_process import ChildProcess
from services.cli.plugins import services_with_tables

READY_DEADLINE_S = 45.0
SERVICES = ("ingest", "detector", "notifier")


@dataclass(frozen=True, slots=True)
class BackingServices:
    """What the services are told of the world around them."""

    kafka: Mapping[str, str]
    """The environment that reaches the broker (`KAFKA_…`)."""
    database_url: str
    smtp_port: int


class Supervisor:
    """The three services as processes on ports of their own, with the settings and secrets meant for each."""

    def __init__(self, home: Home, surroundings: BackingServices) -> None:
        self._home = home
        ports = {name: free_port() for name in SERVICES}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        self.processes = {
            name: ChildProcess(
                name,
                ["-m", "services.cli.local.run_with_parent", f"services.{name}"],
                {**_inherited_environment(name), **self._environment(name, port, surroundings)},
                home.logs / f"{name}.log",
                self.urls[name],
            )
            for name, port in ports.items()
        }

    def _environment(self, name: str, port: int, around: BackingServices) -> dict[str, str]:
        environment = {
            **around.kafka,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(port),
            "RAPPORT_CREDENTIALS_FILE": str(self._home.credentials),
        }
        if name in services_with_tables():
            environment["DATABASE_URL"] = around.database_url
        if name == "ingest":
            environment["RAPPORT_KEY_SECRET_FILE"] = str(self._home.secret("record-key"))
            environment["INGEST_RESULTS_URL"] = self.urls["detector"]
        if name == "notifier":
            environment |= {
                "NOTIFIER_PUBLIC_URL": self.urls["notifier"],
                "NOTIFIER_MAIL_FROM": "rapport@localhost",
                "NOTIFIER_SMTP_HOST": "127.0.0.1",
                "NOTIFIER_SMTP_PORT": str(around.smtp_port),
                "NOTIFIER_SMTP_TLS": "none",
                "NOTIFIER_SIGNING_SECRET_FILE": str(self._home.secret("signing")),
            }
        return environment

    def start(self) -> None:
        """Start all three and return when all are ready.

        Raises:
            StartFailed: one was not; those that run are stopped.
        """
        try:
            for name in reversed(SERVICES):
                self.processes[name].start()
            self._record_pids()
            ends = time.monotonic() + READY_DEADLINE_S
            for name in reversed(SERVICES):
                self.processes[name].wait_ready(max(1.0, ends - time.monotonic()))
        except BaseException:
            self.stop()
            raise

    def restart(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        """Stop one service and start it again on the same port, with `extra` environment for this run."""
        self.processes[name].stop()
        self.processes[name].start(extra)
        self._record_pids()
        self.processes[name].wait_ready(READY_DEADLINE_S)

    def stop(self) -> dict[str, int | None]:
        """Stop all in the order of the flow; returns their exit codes."""
        codes = {name: self.processes[name].stop() for name in SERVICES}
        self._home.processes.unlink(missing_ok=True)
        return codes

    def ended(self) -> str | None:
        """The name of a service that ended by itself; None while all run."""
        return next((name for name, process in self.processes.items() if process.pid is None), None)

    def _record_pids(self) -> None:
        pids = [process.pid for process in self.processes.values() if process.pid is not None]
        # Process ids come round again: the time of birth tells ours from a stranger's.
        born = {str(pid): psutil.Process(pid).create_time() for pid in pids if psutil.pid_exists(pid)}
        self._home.processes.write_text(json.dumps(born))


def stop_orphans(home: Home) -> int:
    """End services of this home whose supervisor was killed; returns how many."""
    if not home.processes.exists():
        return 0
    ended = 0
    for pid, born in json.loads(home.processes.read_text()).items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(pid))
            if process.create_time() == born:
                process.terminate()
                process.wait(10)
                ended += 1
    home.processes.unlink()
    return ended


@contextmanager
def supervised(home: Home, surroundings: BackingServices) -> Iterator[Supervisor]:
    """The services while the block runs."""
    stop_orphans(home)
    supervisor = Supervisor(home, surroundings)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _inherited_environment(name: str) -> dict[str, str]:
    """What the caller's environment sets for this service (`INGEST_…`) and for all (`LOG_…`, instruments)."""
    prefixes = (f"{name.upper()}_", "LOG_", "RAPPORT_INSTRUMENTS_DIR")
    return {key: value for key, value in os.environ.items() if key.startswith(prefixes)}
