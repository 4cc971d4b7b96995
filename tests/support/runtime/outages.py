"""Causes outages: a broker that a test may stop, a port to it that opens later, a database that refuses."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import psycopg
import psycopg.conninfo


@contextmanager
def own_broker() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a broker for one test; yield its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli.local.mock_kafka"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0], process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdout.close()


class PortForwarder:
    """A local port that forwards to the broker once it is opened."""

    def __init__(self, target: str) -> None:
        self._host, port = target.split(":")
        self._port = int(port)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Accept and forward connections."""
        async with await asyncio.start_server(self._connect, "127.0.0.1", self.port):
            yield

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()


@contextmanager
def database_away(url: str) -> Iterator[None]:
    """End all connections to the database and refuse new ones."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
