"""Every key of a table with practices contains the practice, so that the table can be distributed by it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.postgres.table_copy import give_rights
from services.cli.admin.erase import erase
from services.runtime.postgres.migrations import migrate
from services.runtime.process.cli_plugin import ErasureScope
from tests.support.detector.batch_driver import detector_driver
from tests.support.erasure import SECRET, SeededClient, database
from tests.support.keys_without_practice import CHANGED, VERSIONS, WRITERS, fill
from tests.support.notifier.batch_driver import running_notifier
from tests.support.postgres import fresh_database

SCHEMAS = ["detector", "notifier"]
STAYS = {
    "practice unknown": {
        "detector.rejection", "detector.erased", "notifier.rejection", "notifier.erased",
        "detector.published_before", "notifier.answered_before", "notifier.link_request",
    },
    "read by every transaction, about any practice": {"detector.erasure", "notifier.erasure"},
    "few rows that triggers guard, and what refers to them": {
        "detector.practice", "detector.threshold", "detector.practice_statistics",
        "detector.model_activation", "detector.renewal",
    },
    "of the log, its clusters and partitions": {
        f"{schema}.{table}"
        for schema in SCHEMAS
        for table in (
            "applied", "cluster", "epoch", "halt", "heartbeat", "outbox", "outbox_floor", "published",
            "set_aside", "unaccounted",
        )
    } | {"detector.generation", "detector.log_cluster", "detector.sweep"},
    "of the tables themselves": {f"{one}.{table}" for one in SCHEMAS for table in ("migration", "runs_from")},
}  # fmt: skip
"""Why tables stay on one server."""
FOR_VERSION_BEFORE = {
    "detector.blocked_pkey": "ON CONFLICT names it",
    "detector.episode_pkey": "ON CONFLICT names it",
    "notifier.change_pkey": "each batch is read by it",
    "notifier.episode_key": "the practice is null until a change is stored",
    "notifier.episode_pkey": "it stores no practice",
    "notifier.item_pkey": "ON CONFLICT names it",
    "notifier.sign_in_link_pkey": "ON CONFLICT names it",
}
"""Keys without the practice, or with one that may be null, that the version before needs."""

TABLES = """
SELECT c.oid::regclass::text, (
    SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attname IN ('practice_id', 'tenant')
        AND attnotnull)
FROM pg_class c WHERE relnamespace::regnamespace::text = ANY(%s) AND relkind IN ('r', 'p')
    AND NOT relispartition
"""
UNIQUE = """
SELECT indrelid::regclass::text, indexrelid::regclass::text, array_agg(attname::text)
FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY(indkey)
WHERE indisunique AND indrelid = ANY(%s::regclass[]) GROUP BY 1, 2
"""
FOREIGN = """
SELECT conname, conrelid::regclass::text, confrelid::regclass::text, (
    SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY(conkey))
FROM pg_constraint WHERE contype = 'f' AND connamespace::regnamespace::text = ANY(%s)
    AND conparentid = 0
"""
TRIGGERS = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
GROWING = Path(__file__).parents[3] / "docs" / "operating.md"


@pytest.fixture
def conn(postgres_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection to a database with the tables of both services."""
    with fresh_database(postgres_url) as url:
        for schema in SCHEMAS:
            migrate(url, schema)
        with psycopg.connect(url, autocommit=True) as conn:
            yield conn


def tables(conn: psycopg.Connection[tuple[object, ...]]) -> dict[str, str | None]:
    """Return every table with its column of the practice, if it has one that is never null."""
    found = conn.execute(TABLES, (SCHEMAS,)).fetchall()
    return {str(table): None if column is None else str(column) for table, column in found}


def without_practice(conn: psycopg.Connection[tuple[object, ...]]) -> set[str]:
    """Return the unique and foreign keys without the practice, of tables that do not stay on one server."""
    stays = set().union(*STAYS.values())
    column_of = {table: column for table, column in tables(conn).items() if table not in stays}
    found = {
        str(index)
        for table, index, columns in conn.execute(UNIQUE, (list(column_of),))
        if column_of[str(table)] not in list(columns or ())  # type: ignore[call-overload]
    }
    for name, table, owner, columns in conn.execute(FOREIGN, (SCHEMAS,)):
        divided = {str(table), str(owner)} & column_of.keys()
        if divided and (len(divided) < 2 or column_of[str(table)] not in list(columns or ())):  # type: ignore[call-overload]
            found.add(str(name))
    return found


def test_every_key_contains_the_practice_except_those_that_the_version_before_needs(
    conn: psycopg.Connection[tuple[object, ...]],
) -> None:
    assert without_practice(conn) == FOR_VERSION_BEFORE.keys()


def test_a_new_table_whose_keys_lack_the_practice_is_found(
    conn: psycopg.Connection[tuple[object, ...]],
) -> None:
    conn.execute(
        "CREATE TABLE notifier.later (later_id uuid PRIMARY KEY, practice_id text NOT NULL, episode_id uuid"
        " CONSTRAINT later_of_episode REFERENCES notifier.episode (episode_id))"
    )
    found = without_practice(conn) - FOR_VERSION_BEFORE.keys()
    assert found == {"notifier.later_pkey", "later_of_episode"}


def test_every_table_that_stays_on_one_server_has_to(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    column_of = tables(conn)
    stays = set().union(*STAYS.values())
    assert stays <= column_of.keys()
    guarded = {str(table) for (table,) in conn.execute(TRIGGERS)}
    refers = {
        str(one)
        for _, table, owner, _ in conn.execute(FOREIGN, (SCHEMAS,))
        for one in (table, owner)
        if {str(table), str(owner)} <= stays
    }
    assert {one for one in stays if column_of[one] and one not in guarded | refers} == set()


def statements() -> list[str]:
    """Return the statements of "Grow over several PostgreSQL nodes"."""
    section = GROWING.read_text().split("## Grow over several PostgreSQL nodes")[1].split("\n## ")[0]
    found = "".join(re.findall(r"```\n(.*?)```", section, re.DOTALL))
    return [one.strip() for one in found.split(";\n") if one.strip()]


def distributed() -> dict[str, str]:
    """Return the tables that are distributed, each with its column."""
    found = [re.search(r"create_distributed_table\('([a-z._]+)', '([a-z_]+)'", one) for one in statements()]
    return {match[1]: match[2] for match in found if match}


def test_what_operating_says_distributes_every_other_table(
    conn: psycopg.Connection[tuple[object, ...]],
) -> None:
    drop_keys_of_version_before(conn)
    stays = set().union(*STAYS.values())
    assert distributed() == {table: column for table, column in tables(conn).items() if table not in stays}
    assert without_practice(conn) == set()
    assert not {str(table) for (table,) in conn.execute(TRIGGERS)} & distributed().keys()


def drop_keys_of_version_before(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    """Execute the statements that prepare the tables, and leave out those of Citus."""
    for one in statements():
        if "citus" not in one and "create_distributed_table" not in one:
            conn.execute(one.encode())


def divide(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    """Divide every table that operating.md distributes by a hash of the practice, within this database.

    PostgreSQL does so, like Citus, only if each unique key contains the practice.
    """
    drop_keys_of_version_before(conn)
    divided = {table: column for table, column in distributed().items() if table not in LEFT_WHOLE}
    foreign = conn.execute(FOREIGN_KEYS, (list(divided),)).fetchall()
    for table, column in divided.items():
        before = f"{table}_before"
        conn.execute(f"ALTER TABLE {table} RENAME TO {before.partition('.')[2]}".encode())
        conn.execute(
            f"CREATE TABLE {table} (LIKE {before} INCLUDING ALL) PARTITION BY HASH ({column})".encode()
        )
        for rest in range(3):
            part = f"{table}_{rest} PARTITION OF {table} FOR VALUES WITH (MODULUS 3, REMAINDER {rest})"
            conn.execute(f"CREATE TABLE {part}".encode())
        give_rights(conn, before, table)
    for referring, definition in foreign:
        conn.execute(f"ALTER TABLE {referring} ADD {definition}".encode())


LEFT_WHOLE = {
    "detector.audit",  # divided by months already
    "notifier.audit",
    "notifier.therapist",  # a statement returns a system column, which a divided table has not
}
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND conrelid = ANY(%s::regclass[])
"""


@pytest.mark.parametrize("prepare", [drop_keys_of_version_before, divide])
async def test_services_fill_and_erase_every_table_without_the_keys_of_the_version_before(
    conn: psycopg.Connection[tuple[object, ...]],
    tmp_path: Path,
    prepare: Callable[[psycopg.Connection[tuple[object, ...]]], None],
) -> None:
    prepare(conn)
    url = conn.info.dsn
    gone = SeededClient("gone")
    async with detector_driver(url) as detector, running_notifier(url, tmp_path) as notifier:
        await detector.practice()
        await notifier.add_therapist()
        await gone.fill(detector, notifier)
        stored = [counts(conn, schema) for schema in SCHEMAS]
        assert 0 not in [of[table] for of in stored for table in of.keys() & WRITTEN]
        assert conn.execute(LACKING).fetchone() == (0, 0, 0)
        await erase(database(url), SECRET, CLIENT, requested_by="a test", keep=True)
    left = [counts(conn, schema) for schema in SCHEMAS]
    assert {table: rows for of in left for table, rows in of.items() if table in WRITTEN and rows} == {}


CLIENT = ErasureScope("north", client="client-gone")
WRITTEN = {
    "episode",
    "episode_change",
    "response",
    "duplicate",
    "blocked",
    "change",
    "item",
    "answer",
    "decision",
}
ROWS = {
    "detector": ("episode", "episode_change", "response", "duplicate", "blocked", "audit"),
    "notifier": (
        *("episode", "change", "item", "answer", "decision", "delivery", "session", "sign_in_link", "share"),
        "audit",
    ),
}
LACKING = """
SELECT (SELECT count(*) FROM notifier.episode WHERE practice_id IS NULL),
    (SELECT count(*) FROM notifier.answer JOIN notifier.item i USING (episode_id)
        WHERE answer.practice_id <> i.practice_id),
    (SELECT count(*) FROM notifier.change JOIN notifier.episode e USING (episode_id)
        WHERE change.practice_id <> e.practice_id)
"""


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_version_before_writes_while_its_keys_change_and_afterwards(
    postgres_url: str, schema: str
) -> None:
    with fresh_database(postgres_url) as url:
        migrate(url, schema, VERSIONS[schema])
        fill(url, schema, 300)
        with psycopg.connect(url, autocommit=True) as conn:
            before = counts(conn, schema)
            with WRITERS[schema](url, 300) as writer:
                migrate(url, schema, CHANGED[schema])
            during = len(writer.took_s)
            with psycopg.connect(url) as old:
                writer.write(old)
            assert writer.error is None
            assert during > 0
            after = counts(conn, schema)
            assert all(after[table] >= before[table] for table in ROWS[schema])
            if schema == "notifier":
                assert conn.execute(LACKING).fetchone() == (0, 0, 0)


def counts(conn: psycopg.Connection[tuple[object, ...]], schema: str) -> dict[str, int]:
    """Return how many rows each of the tables has."""
    return {
        table: int(str(conn.execute(f"SELECT count(*) FROM {schema}.{table}".encode()).fetchall()[0][0]))
        for table in ROWS[schema]
    }


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_migration_that_was_cut_off_goes_on(postgres_url: str, schema: str) -> None:
    """Repeating every step on tables that have it leaves one valid key of each kind."""
    with fresh_database(postgres_url) as url:
        migrate(url, schema, CHANGED[schema])
        with psycopg.connect(url, autocommit=True) as conn:
            keys = conn.execute(UNIQUE, ([f"{schema}.{one}" for one in ROWS[schema]],)).fetchall()
            conn.execute(f"UPDATE {schema}.migration SET version_num = '{VERSIONS[schema]}'".encode())
            migrate(url, schema, CHANGED[schema])
            again = conn.execute(UNIQUE, ([f"{schema}.{one}" for one in ROWS[schema]],)).fetchall()
            switched_off = conn.execute(
                "SELECT relname FROM pg_class WHERE 'autovacuum_enabled=off' = ANY(reloptions)"
            ).fetchall()
        assert sorted(map(str, again)) == sorted(map(str, keys))
        assert switched_off == []
