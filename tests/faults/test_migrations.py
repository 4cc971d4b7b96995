"""A migration whose process is killed leaves nothing half done, and the next attempt completes it."""

import subprocess
import sys

import psycopg

from services.runtime.postgres.migrations import migrate, pending
from tests.support.faults.fault_run import wait
from tests.support.faults.rows import Size, row
from tests.support.faults.stack_pool import FleetPool
from tests.support.postgres import fresh_database

MIGRATE = "import sys; from services.runtime.postgres.migrations import migrate; migrate(*sys.argv[1:])"
SERVICES = ("detector", "notifier")
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
SHAPE = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = %(schema)s
UNION ALL
SELECT tablename, indexname, indexdef, '', '' FROM pg_indexes WHERE schemaname = %(schema)s
ORDER BY 1, 2, 3
"""


def shape(url: str, service: str) -> list[tuple[object, ...]]:
    """Return the columns and indexes of a service's tables."""
    with psycopg.connect(url) as conn:
        return conn.execute(SHAPE.encode(), {"schema": service}).fetchall()


def kill_while_migrating(url: str, service: str) -> None:
    """Start a migration, which cannot end because of a lock, and kill it inside its transaction."""
    with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as watcher:
        # Alembic writes the version after each step: one is complete when the migration waits for this lock.
        other.execute(f"LOCK TABLE {service}.migration IN SHARE MODE".encode())
        process = subprocess.Popen([sys.executable, "-c", MIGRATE, url, service])
        try:
            wait(lambda: watcher.execute(WAITING).fetchone() == (1,), "the migration waits", 60)
        finally:
            process.kill()
            process.wait(10)
        other.rollback()
        wait(lambda: watcher.execute(WAITING).fetchone() == (0,), "the server has noticed", 60)


@row(backend="PostgreSQL", scaled=0, full=0)
def test_a_killed_migration(fleets: FleetPool, size: Size) -> str:
    """Kill -9 during a migration"""
    killed = 0
    for service in SERVICES:
        with fresh_database(fleets.postgres.url) as whole, fresh_database(fleets.postgres.url) as broken:
            steps = pending(whole, service)
            migrate(whole, service)
            migrate(broken, service, steps[0])
            before = shape(broken, service)
            kill_while_migrating(broken, service)
            killed += 1
            assert pending(broken, service) == tuple(steps[1:])
            assert shape(broken, service) == before
            migrate(broken, service)
            assert pending(broken, service) == ()
            assert shape(broken, service) == shape(whole, service)
    return f"{killed} migrations killed, 0 left half done"
