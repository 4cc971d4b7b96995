"""Migrates a service's tables with Alembic.

Consumers work on while a migration runs. One that waits for a lock makes everybody behind it wait, too: it
gives up soon and tries again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from alembic import command
from alembic.config import Config
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.exc import OperationalError

from services.runtime.postgres import table_versions
from services.runtime.postgres.table_versions import TablesFound, TableVersions
from services.runtime.process.errors import Halt
from services.runtime.process.metrics import version

_LOCK = (
    7_301_845_206  # an arbitrary number that nothing else locks, so that two replicas never migrate at once
)
LOCK_TIMEOUT = "2s"
"""For so long a migration waits for a lock, and others wait behind it."""
ATTEMPTS = 20
PAUSE_S = 1.0


def migrate(url: str, service: str, to: str = "head") -> None:
    """Migrate the tables of `service`, in the schema of the same name, to the version `to`.

    `url` is a libpq URL or connection string. Repeating the call changes nothing. Each migration is stored
    by itself: after one that failed, those before it stay. Tables of a newer version on which this one runs
    stay as they are.

    Raises:
        Halt: the service has no migrations, a newer version migrated the tables and this one does not run on
            them, or a lock was not given in any attempt.
        psycopg.OperationalError, sqlalchemy.exc.OperationalError: the database is away.
    """
    config = _config(service)
    with _alone(url), _connection(url) as connection:
        if not pending(url, service):
            return
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service}"))
        connection.commit()
        config.attributes["connection"] = connection
        config.attributes["schema"] = service
        config.attributes["version"] = version()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                command.upgrade(config, to)
            except OperationalError as error:
                if not isinstance(error.orig, LockNotAvailable | DeadlockDetected):
                    raise
                if attempt == ATTEMPTS:
                    raise Halt(
                        f"the tables of {service} were in use in each of {ATTEMPTS} attempts to migrate them:"
                        " look for a transaction that stays open (pg_stat_activity, `xact_start`), end it,"
                        " and migrate again"
                    ) from error
                connection.rollback()
                time.sleep(PAUSE_S)
            else:
                connection.commit()
                return


def pending(url: str, service: str) -> tuple[str, ...]:
    """Return the migrations of `service` that the database lacks, oldest first; none if it is newer.

    Raises:
        Halt: the service has no migrations, or a newer version migrated the tables and this one does not run
            on them.
        psycopg.OperationalError: the database is away.
    """
    versions = TableVersions.of(service)
    with psycopg.connect(_plain(url)) as connection:
        return versions.pending(_found(connection, service))


def _found(connection: psycopg.Connection[tuple[object, ...]], service: str) -> TablesFound:
    def row_of(table: str, columns: str) -> tuple[Any, ...]:
        known = connection.execute("SELECT to_regclass(%s)", (f"{service}.{table}",)).fetchone()
        if known == (None,):
            return ()
        return connection.execute(f"SELECT {columns} FROM {service}.{table}".encode()).fetchone() or ()

    revision = row_of("migration", "version_num") or (None,)
    return TablesFound(*revision, *row_of("runs_from", "revision, version"))


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """Wait until nobody else migrates, and let nobody else begin."""
    with psycopg.connect(_plain(url), autocommit=True) as holder:
        # Whoever waits in PostgreSQL is a transaction for which the creation of an index would wait.
        while holder.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone() != (True,):
            time.sleep(PAUSE_S / 10)
        yield


def _config(service: str) -> Config:
    folder = table_versions.FOLDER
    versions = folder / service / "versions"
    if not service.isidentifier() or not versions.is_dir():
        raise Halt(f"there are no migrations for {service!r} below {folder}")
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    return config


def _connection(url: str) -> Connection:
    given = conninfo_to_dict(_plain(url)).get("options") or ""
    plain = make_conninfo(_plain(url), options=f"{given} -c lock_timeout={LOCK_TIMEOUT}".strip())
    # With `creator`, libpq parses the URL itself and supports all of its options.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(plain), poolclass=pool.NullPool
    )
    return engine.connect()


def _plain(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
