"""A version runs on the tables of a newer one for as long as nothing that it needs was taken away."""

from pathlib import Path

import psycopg
import pytest

from services.runtime.postgres import table_versions
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.postgres.migrations import migrate, pending
from services.runtime.postgres.table_versions import TablesBehind, TableVersions
from services.runtime.process.errors import Halt
from services.runtime.process.settings import DatabaseSettings

FIRST = """
from alembic import op
from deploy.postgres.runtime_tables import add_runs_from
revision, down_revision, branch_labels, depends_on = "0001", None, None, None
runs_from = "0001"
def upgrade() -> None:
    op.execute(add_runs_from("sample"))
"""
NEXT = """
from alembic import op
revision, down_revision, branch_labels, depends_on = "{new}", "{before}", None, None
{runs_from}
def upgrade() -> None:
    op.execute("CREATE TABLE sample.t{new} (n integer)")
"""


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Path:
    """Return the folder of the migrations of `sample`, whose tables have revision 0001."""
    folder = tmp_path / "sample" / "versions"
    folder.mkdir(parents=True)
    (tmp_path / "env.py").write_text((table_versions.FOLDER / "env.py").read_text())
    (folder / "0001_first.py").write_text(FIRST)
    monkeypatch.setattr(table_versions, "FOLDER", tmp_path)
    migrate(database_url, "sample")
    return folder


def migrate_once(folder: Path, url: str, new: str, runs_from: str | None) -> None:
    """Write one more migration and run it."""
    line = "" if runs_from is None else f'runs_from = "{runs_from}"'
    text = NEXT.format(new=new, before=f"{int(new) - 1:04}", runs_from=line)
    (folder / f"{new}_next.py").write_text(text)
    migrate(url, "sample")


async def check(url: str, *known: str) -> None:
    """Do what each transaction of a version that knows these revisions begins with."""
    settings = DatabaseSettings.model_validate({"url": url})
    async with await connect_for_all_practices(settings, "test") as conn:
        await TableVersions("sample", known).check(conn)


async def test_the_version_before_runs_on_tables_to_which_something_was_added(
    database_url: str, versions: Path
) -> None:
    migrate_once(versions, database_url, "0002", "0001")

    await check(database_url, "0001")
    await check(database_url, "0001", "0002")

    (versions / "0002_next.py").unlink()
    migrate(database_url, "sample")
    assert pending(database_url, "sample") == ()


async def test_the_version_before_refuses_tables_from_which_something_was_taken_away(
    database_url: str, versions: Path
) -> None:
    migrate_once(versions, database_url, "0002", "0001")
    migrate_once(versions, database_url, "0003", "0002")

    await check(database_url, "0001", "0002")
    with pytest.raises(Halt, match=r"they need revision 0002 .* revision 0001; run the newer version, or"):
        await check(database_url, "0001")


async def test_a_migration_that_says_nothing_lets_no_version_before_it_run(
    database_url: str, versions: Path
) -> None:
    migrate_once(versions, database_url, "0002", None)

    with pytest.raises(Halt, match="they need revision 0002"):
        await check(database_url, "0001")


async def test_a_version_waits_until_its_migrations_have_run(database_url: str, versions: Path) -> None:
    with pytest.raises(TablesBehind, match="migrations up to 0003: run `rapport migrate`") as found:
        await check(database_url, "0001", "0002", "0003")
    assert found.value.missing == ("0002", "0003")

    with psycopg.connect(database_url) as conn:
        conn.execute("DROP SCHEMA sample CASCADE")
    with pytest.raises(TablesBehind):
        await check(database_url, "0001")
