"""Starts, supervises and stops the three services as processes of this machine.

Services start from the end of the flow, so that no topic is written before its reader runs, and stop in the
order of the flow.
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

READY_DEADLINE_S = 120.0
"""On a computer with two busy cores a service needs up to a minute."""
SERVICES = ("ingest", "detector", "notifier")
"""In the order of the flow."""


@dataclass(frozen=True, slots=True)
class BackingServices:
    """How the services reach the broker, the database and the mail server."""

    kafka: Mapping[str, str]
    """The `KAFKA_…` environment."""
    database_url: str
    smtp_port: int


class Supervisor:
    """The three services as processes, each with its own ports, settings and secrets."""

    def __init__(self, home: Home, backing: BackingServices) -> None:
        self._home = home
        ports = {name: (free_port(), free_port()) for name in SERVICES}
        self.urls = {name: f"http://127.0.0.1:{port}" for name, (port, _) in ports.items()}
        self.management_urls = {name: f"http://127.0.0.1:{port}" for name, (_, port) in ports.items()}
        with_tables = services_with_tables()
        self.processes = {
            name: ChildProcess(
                name,
                ["-m", "services.cli.local.run_with_parent", f"services.{name}"],
                {
                    **_inherited_environment(name),
                    **self._environment(name, public, management, backing),
                    **({"DATABASE_URL": backing.database_url} if name in with_tables else {}),
                },
                home.logs / f"{name}.log",
                self.urls[name],
                management_url=self.management_urls[name],
            )
            for name, (public, management) in ports.items()
        }

    def _environment(
        self, name: str, public: int, management: int, backing: BackingServices
    ) -> dict[str, str]:
        environment = {
            **backing.kafka,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(public),
            "HTTP_MANAGEMENT_HOST": "127.0.0.1",
            "HTTP_MANAGEMENT_PORT": str(management),
            "RAPPORT_CREDENTIALS_FILE": str(self._home.credentials),
        }
        if name in services_with_tables():
            environment["RAPPORT_ERASURE_SECRET_FILE"] = str(self._home.secret("erasure"))
        if name == "ingest":
            environment["RAPPORT_KEY_SECRET_FILE"] = str(self._home.secret("record-key"))
            environment["INGEST_RESULTS_URL"] = self.urls["detector"]
        if name == "notifier":
            environment |= {
                "NOTIFIER_PUBLIC_URL": self.urls["notifier"],
                "NOTIFIER_MAIL_FROM": "rapport@localhost",
                "NOTIFIER_SMTP_HOST": "127.0.0.1",
                "NOTIFIER_SMTP_PORT": str(backing.smtp_port),
                "NOTIFIER_SMTP_TLS": "none",
                "NOTIFIER_SIGNING_SECRET_FILE": str(self._home.secret("signing")),
            }
        return environment

    def start(self) -> None:
        """Start all services and return when all are ready.

        Raises:
            StartFailed: one did not become ready; all are stopped.
        """
        try:
            for name in reversed(SERVICES):
                self.processes[name].start()
            self._record_pids()
            deadline = time.monotonic() + READY_DEADLINE_S
            for name in reversed(SERVICES):
                self.processes[name].wait_ready(max(1.0, deadline - time.monotonic()))
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
        """Stop all services in the order of the flow; return their exit codes."""
        codes = {name: self.processes[name].stop() for name in SERVICES}
        self._home.processes.unlink(missing_ok=True)
        return codes

    def ended_service(self) -> str | None:
        """Return the name of a service that ended by itself; None while all run."""
        return next((name for name, process in self.processes.items() if process.pid is None), None)

    def _record_pids(self) -> None:
        pids = [process.pid for process in self.processes.values() if process.pid is not None]
        # Process ids are reused: the start time shows whether an id is still that of our process.
        started = {str(pid): psutil.Process(pid).create_time() for pid in pids if psutil.pid_exists(pid)}
        self._home.processes.write_text(json.dumps(started))


def stop_orphans(home: Home) -> int:
    """Stop services of this home whose supervisor was killed; return their number."""
    if not home.processes.exists():
        return 0
    stopped = 0
    for pid, started in json.loads(home.processes.read_text()).items():
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(int(pid))
            if process.create_time() == started:
                process.terminate()
                process.wait(10)
                stopped += 1
    home.processes.unlink()
    return stopped


@contextmanager
def supervised(home: Home, backing: BackingServices) -> Iterator[Supervisor]:
    """Run the services for the duration of the block."""
    stop_orphans(home)
    supervisor = Supervisor(home, backing)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.stop()


def _inherited_environment(name: str) -> dict[str, str]:
    """Return the caller's settings for this service (`INGEST_…`) and for all (`LOG_…`, instruments)."""
    prefixes = (f"{name.upper()}_", "LOG_", "RAPPORT_INSTRUMENTS_DIR")
    return {key: value for key, value in os.environ.items() if key.startswith(prefixes)}
