"""Manages the local folder of what `rapport` runs on one machine: data, logs, secrets, the running stack."""

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


def default_home() -> Path:
    """Return `RAPPORT_HOME`, or `.rapport` in the current folder."""
    return Path(os.environ.get("RAPPORT_HOME", ".rapport")).resolve()


def free_port() -> int:
    """Return a free TCP port on the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class RunningStack:
    """The addresses that `rapport up` records for the other commands; it contains no key."""

    supervisor_pid: int
    ingest_url: str
    results_url: str
    notifier_url: str
    mail_url: str
    database_url: str
    kafka: Mapping[str, str]
    """The `KAFKA_…` environment of its broker."""
    management_urls: Mapping[str, str]
    """The addresses of the management ports of `ingest`, `results` and `notifier`."""


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below one folder; subfolders and secrets are created on first use."""

    folder: Path

    @property
    def logs(self) -> Path:
        """The folder with one log file per process."""
        return self._created("logs")

    @property
    def postgres(self) -> Path:
        """The data folder of the embedded PostgreSQL; it survives restarts."""
        self._created(".")
        return self.folder / "postgres"

    @property
    def credentials(self) -> Path:
        """The file with the hashes and grants of keys."""
        return self._created("secrets") / "credentials.json"

    @property
    def processes(self) -> Path:
        """The file with the ids of the processes started here, to end them after the command was killed."""
        return self._created(".") / "processes.json"

    def secret(self, name: str) -> Path:
        """Return the file of a 256-bit secret; create it, readable by its owner only, when it is missing."""
        file = self._created("secrets") / name
        if not file.exists():
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(secrets.token_hex(32))
        return file

    def record_running(self, stack: RunningStack) -> None:
        """Record the running stack in a file that only its owner can read."""
        self._running_file.touch(mode=0o600)
        self._running_file.write_text(json.dumps(asdict(stack), indent=2))

    def clear_running(self) -> None:
        """Remove the record of the running stack."""
        self._running_file.unlink(missing_ok=True)

    def running(self) -> RunningStack | None:
        """Return the stack that runs here; None when its process has ended or nothing was recorded."""
        if not self._running_file.exists():
            return None
        stack = RunningStack(**json.loads(self._running_file.read_text()))
        try:
            os.kill(stack.supervisor_pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:  # the process exists and belongs to another user
            return stack
        return stack

    @property
    def _running_file(self) -> Path:
        return self.folder / "running.json"

    def _created(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path
