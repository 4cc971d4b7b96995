"""Migrates a service's tables with Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, pool, text

from services.runtime.process.errors import Halt

FOLDER = Path(__file__).resolve().parents[3] / "deploy" / "postgres"

_LOCK = (
    7_301_845_206  # an arbitrary number that nothing else locks, so that two replicas never migrate at once
)


def migrate(url: str, service: str, to: str = "head") -> None:
    """Migrate the tables of `service`, in the schema of the same name, to the version `to`.

    `url` is a libpq URL or connection string. Repeating the call changes nothing.

    Raises:
        Halt: the service has no migrations, or a newer version of it migrated the tables.
        psycopg.OperationalError, sqlalchemy.exc.OperationalError: the database is away.
    """
    config = _config(service)
    with _connection(url) as connection, _of_this_version(service):
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {service}"))
        config.attributes["connection"] = connection
        config.attributes["schema"] = service
        command.upgrade(config, to)
        connection.commit()


def pending(url: str, service: str) -> tuple[str, ...]:
    """Return the migrations of `service` that the database lacks, oldest first.

    Raises:
        Halt: the service has no migrations, or a newer version of it migrated the tables.
        psycopg.OperationalError, sqlalchemy.exc.OperationalError: the database is away.
    """
    scripts = ScriptDirectory.from_config(_config(service))
    with _connection(url) as connection:
        known = connection.execute(
            text("SELECT to_regclass(:name)"), {"name": f"{service}.migration"}
        ).scalar()
        current = (
            connection.execute(text(f"SELECT version_num FROM {service}.migration")).scalar()
            if known
            else None
        )
    with _of_this_version(service):
        revisions = list(scripts.iterate_revisions("head", current or "base"))
    return tuple(revision.revision for revision in reversed(revisions))


@contextmanager
def _of_this_version(service: str) -> Iterator[None]:
    try:
        yield
    except (CommandError, RevisionError) as error:
        raise Halt(
            f"the tables of {service} are not of this version ({error}): run the newer version that migrated "
            "them, or restore the backup that was made before it"
        ) from None


def _config(service: str) -> Config:
    versions = FOLDER / service / "versions"
    if not service.isidentifier() or not versions.is_dir():
        raise Halt(f"there are no migrations for {service!r} below {FOLDER}")
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "os")
    return config


def _connection(url: str) -> Connection:
    # With `creator`, libpq parses the URL itself and supports all of its options.
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(plain), poolclass=pool.NullPool
    )
    return engine.connect()
