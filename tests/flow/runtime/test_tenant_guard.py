"""PostgreSQL shows a request one practice's rows: every table with a practice has a policy."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.errors import InsufficientPrivilege, QueryCanceled
from pydantic import SecretStr

from deploy.postgres.tenant_guard import tenant_role
from services.runtime.postgres import tenant_guard
from services.runtime.postgres.connect import Connection, CountingPool, connect_for_all_practices
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.pool_metrics import PoolMetrics
from services.runtime.postgres.tenant_guard import (
    act_for,
    act_for_holder,
    bound_to,
    connection_for,
    tenant_pool,
)
from services.runtime.process.settings import DatabaseSettings
from tests.support.postgres import fresh_database

SERVICES = ("detector", "notifier")
REPOSITORY = Path(__file__).parents[3]
READ_WITHOUT_A_PRACTICE = {
    "detector.epoch": "which partitions were read",
    "detector.heartbeat": "how far each partition was read",
    "detector.applied": "how far each log was read",
    "detector.halt": "which partitions were halted, and why",
}
_WITH_A_PRACTICE = """
SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = %(schema)s::regnamespace AND relkind IN ('r', 'p') AND NOT attisdropped
    AND attname IN ('practice_id', 'tenant') AND NOT relispartition
"""
_BOUND = """
SELECT oid::regclass::text FROM pg_class WHERE relnamespace = %(schema)s::regnamespace AND relrowsecurity
    AND EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid AND NOT polpermissive AND polcmd = '*'
        AND polroles = ARRAY[%(role)s::regrole::oid])
"""
_READABLE = """
SELECT oid::regclass::text FROM pg_class WHERE relnamespace = %(schema)s::regnamespace
    AND relkind IN ('r', 'p', 'v', 'm', 'f') AND has_any_column_privilege(%(role)s, oid, 'SELECT')
"""


@pytest.fixture(scope="module")
def migrated(postgres_url: str) -> Iterator[str]:
    """A database with the tables of both services."""
    with fresh_database(postgres_url) as url:
        for service in SERVICES:
            migrate(url, service)
        yield url


def tables(conn: psycopg.Connection, query: str, schema: str) -> set[str]:
    return {name for (name,) in conn.execute(query, {"schema": schema, "role": tenant_role(schema)})}


@pytest.mark.parametrize("schema", SERVICES)
def test_every_table_with_a_practice_has_a_policy(migrated: str, schema: str) -> None:
    with psycopg.connect(migrated) as conn:
        with_a_practice = tables(conn, _WITH_A_PRACTICE, schema)
        assert len(with_a_practice) > 10
        assert with_a_practice - tables(conn, _BOUND, schema) == set()
        conn.execute(f"CREATE TABLE {schema}.later (practice_id text)")
        assert tables(conn, _WITH_A_PRACTICE, schema) - tables(conn, _BOUND, schema) == {f"{schema}.later"}
        conn.rollback()


@pytest.mark.parametrize("schema", SERVICES)
def test_what_a_request_may_read_is_bound_or_has_a_reason(migrated: str, schema: str) -> None:
    with psycopg.connect(migrated) as conn:
        readable = tables(conn, _READABLE, schema) - tables(conn, _BOUND, schema)
    assert readable == {name for name in READ_WITHOUT_A_PRACTICE if name.startswith(f"{schema}.")}


@pytest.mark.parametrize("schema", SERVICES)
def test_the_role_of_requests_is_no_way_around_its_policies(migrated: str, schema: str) -> None:
    with psycopg.connect(migrated) as conn:
        found = conn.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcanlogin FROM pg_roles WHERE rolname = %s",
            (tenant_role(schema),),
        ).fetchone()
        owned = conn.execute(
            "SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", (tenant_role(schema),)
        ).fetchone()
    assert (found, owned) == ((False, False, False, False), (0,))


@pytest.fixture
async def requests(migrated: str) -> AsyncIterator[CountingPool]:
    """The pool of requests, with one connection, over rows of two practices."""
    with psycopg.connect(migrated) as conn:
        conn.execute("TRUNCATE notifier.client_counter")
        for practice in ("north", "south"):
            conn.execute("INSERT INTO notifier.client_counter VALUES (%s, 't-1', 1)", (practice,))
    settings = DatabaseSettings(url=SecretStr(migrated), pool_min_size=1)
    async with tenant_pool(settings, "pages", "notifier", connections=1) as connections:
        yield connections


async def everything(conn: Connection) -> list[str]:
    """What a query sees that forgets the practice."""
    rows = await conn.execute("SELECT practice_id FROM notifier.client_counter")
    return [practice for (practice,) in await rows.fetchall()]


async def test_a_query_that_forgets_the_practice_returns_nothing(requests: CountingPool) -> None:
    async with requests.connection() as conn:
        assert await everything(conn) == []
        await act_for(conn, "south")
        assert await everything(conn) == ["south"]
        changed = await conn.execute("UPDATE notifier.client_counter SET last_number = 2")
        assert changed.rowcount == 1
        with pytest.raises(InsufficientPrivilege, match="row-level security"):
            await conn.execute(
                "INSERT INTO notifier.audit (at, practice_id, action) VALUES (now(), 'north', 'x')"
            )


async def test_the_practice_ends_with_the_transaction(requests: CountingPool) -> None:
    async with connection_for(requests, "south") as conn:
        assert await everything(conn) == ["south"]
        await conn.commit()
        assert await everything(conn) == []
        await act_for(conn, "south")
        await conn.rollback()
        assert await everything(conn) == []
        async with conn.transaction():
            await act_for(conn, "south")
        await conn.rollback()
        assert await everything(conn) == []


async def fails_in_postgresql(conn: Connection) -> None:
    await conn.execute("SELECT 1 / 0")


async def fails_in_python(_conn: Connection) -> None:
    raise ZeroDivisionError


async def is_cancelled_between_statements(_conn: Connection) -> None:
    raise asyncio.CancelledError


async def is_cancelled_in_a_statement(conn: Connection) -> None:
    async with asyncio.timeout(0.05):
        await conn.execute("SELECT pg_sleep(30)")


@pytest.mark.parametrize(
    "end",
    [fails_in_postgresql, fails_in_python, is_cancelled_between_statements, is_cancelled_in_a_statement],
)
async def test_the_next_request_does_not_see_the_practice_of_one_that_failed(
    requests: CountingPool, end: Callable[[Connection], Awaitable[None]]
) -> None:
    async def request() -> None:
        async with connection_for(requests, "south") as conn:
            assert await everything(conn) == ["south"]
            await end(conn)

    with pytest.raises((psycopg.Error, ZeroDivisionError, asyncio.CancelledError, TimeoutError)):
        await request()
    async with requests.connection() as conn:
        assert await everything(conn) == []


async def test_a_part_of_a_transaction_of_a_consumer_is_bound(requests: CountingPool, migrated: str) -> None:
    settings = DatabaseSettings(url=SecretStr(migrated))
    async with await connect_for_all_practices(settings, "consumer") as conn:
        async with bound_to(conn, "notifier", "south"):
            assert await everything(conn) == ["south"]
        assert await everything(conn) == ["north", "south"]
        await conn.commit()
        with pytest.raises(ZeroDivisionError):
            async with conn.transaction(), bound_to(conn, "notifier", "south"):
                raise ZeroDivisionError
        assert await everything(conn) == ["north", "south"]


async def test_a_secret_says_whose_practice_it_is_and_only_exactly_itself(
    requests: CountingPool, migrated: str
) -> None:
    with psycopg.connect(migrated) as conn:
        conn.execute(
            "INSERT INTO notifier.session (session_hash, practice_id, therapist_id, started_at, used_at,"
            " expires_at) VALUES ('a', 'north', 't-1', now(), now(), now())"
        )
    async with requests.connection() as conn:
        assert await act_for_holder(conn, "notifier.practice_of_session", b"b") is False
        assert await everything(conn) == []
        assert await act_for_holder(conn, "notifier.practice_of_session", b"a") is True
        assert await everything(conn) == ["north"]


def test_what_sees_all_practices_is_listed() -> None:
    names = ("connect_for_all_practices", "pool_for_all_practices", "jobs_pool", r"psycopg\.connect")
    opened = re.compile(rf"(?<!def )\b(?:{'|'.join(names)})\(")
    found = {
        str(file.relative_to(REPOSITORY))
        for file in (REPOSITORY / "services").rglob("*.py")
        if opened.search(file.read_text())
    }
    page = (REPOSITORY / "docs/data.md").read_text()
    isolation = page.partition("## Isolation")[2].partition("\n## ")[0]
    assert found == set(re.findall(r"`(services/[\w/]+\.py)`", isolation))


async def test_a_statement_that_takes_too_long_is_ended_and_counted(
    migrated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_guard, "READ_TIMEOUT_S", 0.05)
    registry = CollectorRegistry()
    requests = tenant_pool(DatabaseSettings(url=SecretStr(migrated)), "pages", "notifier")
    PoolMetrics(registry, requests)
    ended = "rapport_database_pool_statements_ended_total"
    await requests.open(wait=True)
    try:
        assert registry.get_sample_value(ended, {"pool": "pages"}) == 0
        with pytest.raises(QueryCanceled):
            async with requests.connection() as conn:
                await conn.execute("SELECT pg_sleep(30)")
        assert registry.get_sample_value(ended, {"pool": "pages"}) == 1
    finally:
        await requests.close()
