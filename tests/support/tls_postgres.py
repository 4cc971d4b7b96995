"""Runs a PostgreSQL that takes connections over TLS only: that of the system, for the wheel has no TLS."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.support.ports import lasting_ports

ROLE = "detector"
FIRST_PASSWORD = "the first password"
READY_DEADLINE_S = 60.0


def postgres_with_tls_missing() -> str | None:
    """Return what to install; None when this machine has a PostgreSQL of its distribution."""
    if _binaries() is None:
        return "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    return None


def _binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@dataclass(frozen=True, slots=True)
class TlsPostgres:
    """A running server and the socket over which its administrator connects."""

    port: int
    socket_folder: Path
    log_file: Path

    def url(self, host: str = "localhost") -> str:
        """Return the address over TCP, without the password."""
        return f"postgresql://{ROLE}@{host}:{self.port}/postgres"

    def set_password(self, password: str) -> None:
        """Give the role another password, as an administrator does."""
        with psycopg.connect(
            f"postgresql://postgres@/postgres?host={self.socket_folder}&port={self.port}", autocommit=True
        ) as admin:
            admin.execute(f"ALTER ROLE {ROLE} PASSWORD '{password}'".encode())


@contextmanager
def tls_postgres(certificate: Path) -> Iterator[TlsPostgres]:
    """Run a server with the key and the certificate in a file (PEM)."""
    binaries = _binaries()
    assert binaries is not None, postgres_with_tls_missing()
    with tempfile.TemporaryDirectory(prefix="rapport-tls-") as name, ExitStack() as last:
        folder = Path(name)
        # A server does not run as root.
        user = "postgres" if os.geteuid() == 0 else None
        own = folder / "server.pem"
        own.write_bytes(certificate.read_bytes())
        own.chmod(0o600)
        if user is not None:
            for path in (folder, own):
                shutil.chown(path, user)
        subprocess.run(
            [binaries / "initdb", "--pgdata", folder / "data", "--auth=trust", "--username=postgres"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
        hosts = folder / "data" / "pg_hba.conf"
        hosts.write_text("local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        port, log_file = lasting_ports(), folder / "log"
        with log_file.open("wb") as log:
            settings = {
                "listen_addresses": "127.0.0.1",
                "port": str(port),
                "unix_socket_directories": str(folder),
                "ssl": "on",
                "ssl_cert_file": str(own),
                "ssl_key_file": str(own),
                "fsync": "off",
            }
            given = [f"--{name}={value}" for name, value in settings.items()]
            server = subprocess.Popen(
                [binaries / "postgres", "-D", folder / "data", *given],
                stdout=log, stderr=log, user=user, cwd=folder,
            )  # fmt: skip
        last.callback(server.wait)
        last.callback(server.terminate)
        running = TlsPostgres(port, folder, log_file)
        _wait_until_ready(running)
        yield running


def _wait_until_ready(server: TlsPostgres) -> None:
    url = f"postgresql://postgres@/postgres?host={server.socket_folder}&port={server.port}"
    ends = time.monotonic() + READY_DEADLINE_S
    while True:
        try:
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{FIRST_PASSWORD}'".encode())
        except psycopg.OperationalError:
            assert time.monotonic() < ends, server.log_file.read_text()[-1500:]
            time.sleep(0.05)
        else:
            return
