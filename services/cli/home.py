"""The local folder of everything that `rapport` starts on one machine: paths, secrets, who runs there now."""

import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


def default_home() -> Path:
    """`RAPPORT_HOME`, or `.rapport` in the current folder."""
    return Path(os.environ.get("RAPPORT_HOME", ".rapport")).resolve()


def free_port() -> int:
    """A port on the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class RunningStack:
    """Where a running stack is, as `rapport up` writes it down for the other commands. Holds no key."""

    supervisor_pid: int
    ingest_url: str
    results_url: str
    notifier_url: str
    mail_url: str
    database_url: str
    kafka: Mapping[str, str]
    """The environment that reaches its broker (`KAFKA_…`)."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths under one folder, and what is created there on first use."""

    folder: Path

    @property
    def logs(self) -> Path:
        """One log file per process."""
        return self._created("logs")

    @property
    def postgres(self) -> Path:
        """The database server's own folder; it survives restarts."""
        self._created(".")
        return self.folder / "postgres"

    @property
    def credentials(self) -> Path:
        """The keys' hashes and grants."""
        return self._created("secrets") / "credentials.json"

    @property
    def processes(self) -> Path:
        """Which processes were started here, so that a killed start can be cleared away."""
        return self._created(".") / "processes.json"

    def secret(self, name: str) -> Path:
        """The file of a 256-bit secret, created with rights for the owner alone."""
        file = self._created("secrets") / name
        if not file.exists():
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(secrets.token_hex(32))
        return file

    def record_running(self, running: RunningStack) -> None:
        """Write down what runs here now, for the owner alone to read."""
        self._running_file.touch(mode=0o600)
        self._running_file.write_text(json.dumps(asdict(running), indent=2))

    def clear_running(self) -> None:
        """Nothing runs here any more."""
        self._running_file.unlink(missing_ok=True)

    def running(self) -> RunningStack | None:
        """What runs here now; None when nothing does."""
        if not self._running_file.exists():
            return None
        found = RunningStack(**json.loads(self._running_file.read_text()))
        try:
            os.kill(found.supervisor_pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return found
        return found

    @property
    def _running_file(self) -> Path:
        return self.folder / "running.json"

    def _created(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return path
