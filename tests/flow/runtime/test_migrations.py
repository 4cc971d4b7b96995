"""Migrations are repeatable, and connections never wait for ever."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from services.runtime.postgres import migrations, table_versions
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.postgres.migrations import migrate, pending
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Halt
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import DatabaseSettings
from tests.support.postgres import wait_until_blocked
from tests.support.runtime.running_sample import until

FIRST = """
from alembic import op
from deploy.postgres.runtime_tables import create_v1
revision, down_revision, branch_labels, depends_on = "0001", None, None, None
def upgrade() -> None:
    op.execute(create_v1("sample"))
"""
SECOND = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None
def upgrade() -> None:
    op.execute("CREATE TABLE sample.more (n integer)")
    op.execute({last!r})
"""

INDEX = """
from deploy.postgres.large_indexes import create_beside_writers
revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None
def upgrade() -> None:
    create_beside_writers("sample", "large", "epoch (partition)")
"""


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the migrations of a service called `sample`."""
    folder = tmp_path / "sample" / "versions"
    folder.mkdir(parents=True)
    (tmp_path / "env.py").write_text((table_versions.FOLDER / "env.py").read_text())
    (folder / "0001_first.py").write_text(FIRST)
    monkeypatch.setattr(table_versions, "FOLDER", tmp_path)
    return folder


def tables(url: str) -> set[str]:
    """Return the names of the tables in the schema `sample`."""
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'sample'").fetchall()
    return {row[0] for row in rows}


def test_migrating_creates_the_tables_and_repeating_it_changes_nothing(
    database_url: str, versions: Path
) -> None:
    assert pending(database_url, "sample") == ("0001",)

    migrate(database_url, "sample")
    migrate(database_url, "sample")

    assert tables(database_url) == {"migration", "cluster", "applied", "epoch", "outbox", "rejection"}
    assert pending(database_url, "sample") == ()


def test_a_migration_that_fails_leaves_nothing_half_done(database_url: str, versions: Path) -> None:
    migrate(database_url, "sample")
    (versions / "0002_second.py").write_text(SECOND.format(last="SELECT 1 / 0"))

    with pytest.raises(Exception, match="division by zero"):
        migrate(database_url, "sample")

    assert "more" not in tables(database_url)
    assert pending(database_url, "sample") == ("0002",)


def test_a_migration_that_fails_keeps_those_before_it(database_url: str, versions: Path) -> None:
    (versions / "0002_second.py").write_text(SECOND.format(last="SELECT 1 / 0"))
    with pytest.raises(Exception, match="division by zero"):
        migrate(database_url, "sample")
    assert pending(database_url, "sample") == ("0002",)


def locked_by_another(url: str, versions: Path) -> psycopg.Connection[tuple[object, ...]]:
    """Write a migration that changes a table, and let somebody else use this table."""
    migrate(url, "sample")
    (versions / "0002_second.py").write_text(
        SECOND.format(last="ALTER TABLE sample.epoch ADD COLUMN n integer")
    )
    other = psycopg.connect(url)
    other.execute("SELECT FROM sample.epoch")
    return other


def test_a_migration_that_gets_no_lock_lets_others_pass_and_tries_again(
    database_url: str, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "50ms")
    other = locked_by_another(database_url, versions)

    def end_of_the_pause(_s: float) -> None:
        with psycopg.connect(database_url, options="-c lock_timeout=1s") as third:
            third.execute("INSERT INTO sample.epoch VALUES ('t', 0, 1)")
        other.commit()

    monkeypatch.setattr(time, "sleep", end_of_the_pause)
    with other:
        migrate(database_url, "sample")
    assert pending(database_url, "sample") == ()
    assert "more" in tables(database_url)


def test_a_table_that_stays_in_use_is_named_with_what_to_do(
    database_url: str, versions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "10ms")
    monkeypatch.setattr(time, "sleep", lambda _s: None)
    other = locked_by_another(database_url, versions)
    with other, pytest.raises(Halt, match=r"tables of sample were in use .* end it, and migrate again"):
        migrate(database_url, "sample")
    assert pending(database_url, "sample") == ("0002",)


def test_an_index_is_created_beside_writers_and_after_an_attempt_that_was_cut_off(
    database_url: str, versions: Path
) -> None:
    """It waits for a transaction that writes, and whoever comes behind it writes, too."""
    migrate(database_url, "sample")
    (versions / "0002_second.py").write_text(INDEX)
    with psycopg.connect(database_url) as cut_off:
        cut_off.execute("CREATE INDEX large ON sample.epoch (partition)")
        cut_off.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sample.large'::regclass")
    with psycopg.connect(database_url) as writer, ThreadPoolExecutor(1) as beside:
        writer.execute("INSERT INTO sample.epoch VALUES ('t', 0, 1)")
        migrating = beside.submit(migrate, database_url, "sample")
        with psycopg.connect(database_url, autocommit=True, options="-c lock_timeout=5s") as third:
            wait_until_blocked(database_url, writer.info.backend_pid)
            assert not migrating.done()
            third.execute("INSERT INTO sample.epoch VALUES ('t', 1, 1)")
        writer.commit()
        migrating.result(timeout=30)
    with psycopg.connect(database_url) as conn:
        valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'sample.large'::regclass"
        assert conn.execute(valid).fetchone() == (True,)


@pytest.mark.parametrize("ask", [migrate, pending])
def test_an_older_version_refuses_tables_of_a_newer_one(
    database_url: str, versions: Path, ask: Callable[[str, str], object]
) -> None:
    newer = versions / "0002_second.py"
    newer.write_text(SECOND.format(last="SELECT 1"))
    migrate(database_url, "sample")
    newer.unlink()

    with pytest.raises(Halt, match=r"not of this version: .* revision 0002 .* restore the backup"):
        ask(database_url, "sample")

    assert "more" in tables(database_url)


def test_a_service_without_migrations_is_named(database_url: str) -> None:
    with pytest.raises(Halt, match="no migrations for 'nobody'"):
        migrate(database_url, "nobody")


async def test_the_server_ends_a_transaction_that_was_left_open(database_url: str) -> None:
    conn = await connect_for_all_practices(
        DatabaseSettings.model_validate({"url": database_url}), "left-open"
    )
    await conn.execute("SET idle_in_transaction_session_timeout = '50ms'")
    await conn.commit()
    await conn.execute("SELECT 1")
    with psycopg.connect(database_url, autocommit=True) as other:
        query = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'left-open'"
        await until(lambda: other.execute(query).fetchone() is None, "the server to end it")

    with pytest.raises(psycopg.Error) as caught:
        await conn.execute("SELECT 1")
    await conn.close()

    assert retry_reason(caught.value) is RetryReason.TOO_MUCH


async def test_a_connection_has_the_limits_that_keep_others_from_waiting(database_url: str) -> None:
    async with await connect_for_all_practices(
        DatabaseSettings.model_validate({"url": database_url}), "test"
    ) as conn:
        rows = await conn.execute(
            "SELECT current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'),"
            " current_setting('synchronous_commit'), current_setting('application_name')"
        )

        assert await rows.fetchone() == ("5s", "5s", "on", "test")
