"""Pages skip no row that commits late, and wait for nobody who writes none."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from services.runtime.http.paging import START, Cursor
from services.runtime.outbox import pages
from services.runtime.outbox.erasures import pass_gate
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.settings import DatabaseSettings
from tests.support.postgres import fresh_database

Rows = list[tuple[str, Cursor]]
_TABLES = """
CREATE SCHEMA sample;
CREATE TABLE sample.row
    (name text, xid xid8 DEFAULT pg_current_xact_id(), seq bigint GENERATED ALWAYS AS IDENTITY);
CREATE TABLE sample.more (name text);
CREATE TABLE other (name text)
"""
_ALL = "SELECT name, xid::text, seq FROM sample.row r ORDER BY r.xid, r.seq"
_PASS_GATE = "SELECT pg_advisory_xact_lock_shared(hashtextextended('rapport erasure', 0))"
WRITERS = 4
TRANSACTIONS = 60


@pytest.fixture
def url(database_url: str) -> str:
    """Return the address of a database with a table that is read in pages, and another one."""
    with psycopg.connect(database_url) as conn:
        conn.execute(_TABLES)
    return database_url


@contextmanager
def written(url: str, name: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Open a transaction of a service that has written a row."""
    with psycopg.connect(url) as conn:
        conn.execute(_PASS_GATE)
        conn.execute("INSERT INTO sample.row (name) VALUES (%s)", (name,))
        yield conn


async def page(reader: Connection, after: Cursor = START, limit: int = 1000) -> Rows:
    """Return the names of the rows after a cursor, each with the row's own cursor."""
    async with reader.transaction():
        found = await reader.execute(
            "SELECT name, r.xid::text, seq FROM sample.row r"
            f" WHERE {pages.after('r')} ORDER BY {pages.order('r')} LIMIT %(limit)s",
            {"limit": limit, **await pages.page_parameters(reader, after, "sample")},
        )
        return [(name, Cursor(int(xid), seq)) for name, xid, seq in await found.fetchall()]


async def reader_of(url: str) -> Connection:
    """Return a connection that reads pages."""
    return await connect_for_all_practices(DatabaseSettings.model_validate({"url": url}), "reader")


def names(rows: Rows) -> list[str]:
    """Return what the rows are called."""
    return [name for name, _ in rows]


async def test_a_page_never_skips_a_row_that_was_numbered_before_and_committed_after(url: str) -> None:
    async with await reader_of(url) as reader:
        with written(url, "numbered first") as slow:
            with written(url, "committed first"):
                pass
            while_in_flight = await page(reader)
            slow.commit()
        afterwards = await page(reader)
        rest = await page(reader, afterwards[0][1])

    assert while_in_flight == []
    assert names(afterwards) == ["numbered first", "committed first"]
    assert names(rest) == ["committed first"]


async def test_a_page_waits_for_a_writer_that_has_its_id_and_no_row_yet(url: str) -> None:
    async with await reader_of(url) as reader:
        with psycopg.connect(url) as slow:
            slow.execute(_PASS_GATE)
            slow.execute("INSERT INTO other VALUES ('the id')")
            with written(url, "later"):
                pass
            while_in_flight = await page(reader)
            slow.execute("INSERT INTO sample.row (name) VALUES ('earlier')")
        afterwards = await page(reader)

    assert while_in_flight == []
    assert names(afterwards) == ["earlier", "later"]


@pytest.mark.parametrize("place", ["this database", "another database"])
async def test_a_page_does_not_wait_for_a_transaction_that_never_passed_the_gate(
    url: str, postgres_url: str, place: str
) -> None:
    with fresh_database(postgres_url) as elsewhere, psycopg.connect(elsewhere) as conn:
        conn.execute(_TABLES)
        conn.commit()
        foreign_url = url if place == "this database" else elsewhere
        with psycopg.connect(foreign_url) as foreign:
            if place == "another database":
                foreign.execute(_PASS_GATE)  # the same lock there is another one
            foreign.execute("INSERT INTO other VALUES ('stays open')")
            with written(url, "shown"):
                pass
            async with await reader_of(url) as reader:
                beside_it = await page(reader)

    assert names(beside_it) == ["shown"]


async def test_a_page_waits_for_a_writer_of_an_earlier_version_which_knows_no_gate(url: str) -> None:
    async with await reader_of(url) as reader:
        with psycopg.connect(url) as slow:
            slow.execute("INSERT INTO sample.more VALUES ('the id')")
            with written(url, "later"):
                pass
            while_in_flight = await page(reader)
            slow.execute("INSERT INTO sample.row (name) VALUES ('earlier')")
        afterwards = await page(reader)

    assert while_in_flight == []
    assert names(afterwards) == ["earlier", "later"]


async def test_the_gate_is_passed_with_the_lock_that_pages_look_for(url: str) -> None:
    async with await reader_of(url) as reader, await reader_of(url) as writer:
        await pass_gate(writer)
        await writer.execute("INSERT INTO sample.row (name) VALUES ('first')")
        with written(url, "second"):
            pass
        while_in_flight = await page(reader)
        await writer.commit()
        afterwards = await page(reader)

    assert while_in_flight == []
    assert names(afterwards) == ["first", "second"]


def _work(url: str, seed: int, write: Callable[[psycopg.Connection[tuple[object, ...]], str], None]) -> None:
    """Run many short transactions that end in an order of their own, some of them rolled back."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    with psycopg.connect(url) as conn:
        for number in range(TRANSACTIONS):
            write(conn, f"{seed}.{number}")
            time.sleep(chance.choice((0, 0, 0.001, 0.004, 0.012)))
            if chance.random() < 0.1:
                conn.rollback()
            else:
                conn.commit()


def _write_late(conn: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    conn.execute(_PASS_GATE)
    conn.execute("INSERT INTO other VALUES ('the id')")
    for part in range(2):
        conn.execute("INSERT INTO sample.row (name) VALUES (%s)", (f"{name}.{part}",))


def _write_elsewhere(conn: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    conn.execute("INSERT INTO other VALUES (%s)", (name,))


async def test_pages_beside_many_writers_hold_every_row_once_and_in_order(
    url: str, postgres_url: str
) -> None:
    """A row is found by nobody who asks again with the last cursor, if it appeared behind it."""
    read: Rows = []
    with fresh_database(postgres_url) as elsewhere, ThreadPoolExecutor(WRITERS + 3) as threads:
        with psycopg.connect(elsewhere) as conn:
            conn.execute(_TABLES)
        stays_open = psycopg.connect(elsewhere)
        stays_open.execute("INSERT INTO other VALUES ('stays open')")
        writers = [threads.submit(_work, url, seed, _write_late) for seed in range(WRITERS)]
        foreign = [
            threads.submit(_work, at, 90 + n, _write_elsewhere) for n, at in enumerate((url, elsewhere))
        ]
        async with await reader_of(url) as reader:
            while not all(one.done() for one in writers):
                read += await page(reader, read[-1][1] if read else START, limit=7)
            beside_the_open_one = len(read)
            for one in (*writers, *foreign):
                one.result()
            while more := await page(reader, read[-1][1] if read else START, limit=7):
                read += more
        stays_open.close()
    with psycopg.connect(url) as conn:
        stored = [(name, Cursor(int(xid), seq)) for name, xid, seq in conn.execute(_ALL).fetchall()]

    assert read == stored
    assert len(stored) > WRITERS * TRANSACTIONS
    assert beside_the_open_one
