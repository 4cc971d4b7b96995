"""PostgreSQL shows a request one practice's rows: every table with a practice has a policy, or a reason."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg.errors import QueryCanceled
from pydantic import SecretStr

from deploy.postgres.tenant_guard import guard_tenants, tenant_role
from services.runtime.postgres import tenant_guard
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.pool_metrics import PoolMetrics
from services.runtime.postgres.tenant_guard import act_for, tenant_pool
from services.runtime.process.settings import DatabaseSettings
from tests.support.postgres import fresh_database, postgres_server

SERVICES = ("detector", "notifier")
ROLES = Path(__file__).parents[3] / "deploy/compose/postgres/roles.sh"
WITHOUT_A_POLICY = {
    "notifier.session": "found by the hash of a random cookie, which says whose practice it is",
    "notifier.share": "found by the signed id in a link, which says whose practice it is",
    "notifier.sign_in_link": "found by the signed id in a link, which says whose practice it is",
}
READ_WITHOUT_A_PRACTICE = {
    "detector.epoch": "which partitions were read",
    "detector.heartbeat": "how far each partition was read",
    "notifier.episode": "ids of episodes only",
}
_WITH_A_PRACTICE = """
SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = %(schema)s::regnamespace AND relkind IN ('r', 'p') AND NOT attisdropped
    AND attname IN ('practice_id', 'tenant')
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
def test_every_table_with_a_practice_has_a_policy_or_a_reason(migrated: str, schema: str) -> None:
    with psycopg.connect(migrated) as conn:
        with_a_practice = tables(conn, _WITH_A_PRACTICE, schema)
        bound = tables(conn, _BOUND, schema)
        assert len(with_a_practice) > 10
        reasons = {name for name in WITHOUT_A_POLICY if name.startswith(f"{schema}.")}
        assert with_a_practice - bound == reasons
        conn.execute(f"CREATE TABLE {schema}.later (practice_id text)")
        assert tables(conn, _WITH_A_PRACTICE, schema) - tables(conn, _BOUND, schema) == {
            *reasons,
            f"{schema}.later",
        }
        conn.rollback()


@pytest.mark.parametrize("schema", SERVICES)
def test_what_a_request_may_read_is_bound_or_has_a_reason(migrated: str, schema: str) -> None:
    with psycopg.connect(migrated) as conn:
        readable = tables(conn, _READABLE, schema) - tables(conn, _BOUND, schema)
    reasons = {**WITHOUT_A_POLICY, **READ_WITHOUT_A_PRACTICE}
    assert readable == {name for name in reasons if name.startswith(f"{schema}.")}


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


async def test_a_query_that_forgets_the_practice_returns_nothing(migrated: str) -> None:
    with psycopg.connect(migrated) as conn:
        for practice in ("north", "south"):
            conn.execute("INSERT INTO notifier.client_counter VALUES (%s, 't-1', 1)", (practice,))
    requests = tenant_pool(DatabaseSettings(url=SecretStr(migrated)), "pages", "notifier")
    everything = "SELECT practice_id FROM notifier.client_counter"
    await requests.open(wait=True)
    try:
        async with requests.connection() as conn:
            assert await (await conn.execute(everything)).fetchall() == []
            await act_for(conn, "south")
            assert await (await conn.execute(everything)).fetchall() == [("south",)]
            changed = await conn.execute("UPDATE notifier.client_counter SET last_number = 2")
            assert changed.rowcount == 1
            await conn.commit()
            assert await (await conn.execute(everything)).fetchall() == []
        async with requests.connection() as conn:
            assert await (await conn.execute(everything)).fetchall() == []
            await act_for(conn, "south")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
                await conn.execute(
                    "INSERT INTO notifier.audit (at, practice_id, action) VALUES (now(), 'north', 'x')"
                )
    finally:
        await requests.close()


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


@pytest.fixture(scope="module")
def composed() -> Iterator[str]:
    """A server of its own with the roles of the composed stack; yields the URL of its superuser."""
    with postgres_server() as server:
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute("CREATE DATABASE rapport")
        script = ROLES.read_text().split("<<'SQL'\n")[1].removesuffix("SQL\n")
        url = urlunsplit(urlsplit(server)._replace(path="/rapport"))
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(re.sub(r":('\w+')", r"\1", script).encode())
        yield url


def as_role(url: str, role: str) -> str:
    """The URL of the same database for another role of this server."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}@{host}"))


def test_a_migration_that_may_not_create_the_role_says_how(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url, psycopg.connect(url) as conn:
        conn.execute("CREATE SCHEMA sparse; CREATE ROLE sparse_owner; SET ROLE sparse_owner")
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="CREATE ROLE sparse_tenant NOLOGIN; GRANT"
        ):
            conn.execute(guard_tenants("sparse", {}).encode())


async def test_the_roles_of_the_composed_stack_bind_requests_and_no_consumer(composed: str) -> None:
    for service in SERVICES:
        migrate(as_role(composed, "operator"), service)
    with psycopg.connect(as_role(composed, "detector")) as consumer:
        for offset, practice in enumerate(("north", "south")):
            consumer.execute(
                "INSERT INTO detector.erased VALUES ('c', 't', 0, %s, %s, NULL)", (offset, practice)
            )
        assert consumer.execute("SELECT count(*) FROM detector.erased").fetchone() == (2,)
    results = tenant_pool(
        DatabaseSettings(url=SecretStr(as_role(composed, "detector"))), "results", "detector", read_only=True
    )
    await results.open(wait=True)
    try:
        async with results.connection() as conn:
            assert await (await conn.execute("SELECT tenant FROM detector.erased")).fetchall() == []
            await act_for(conn, "south")
            assert await (await conn.execute("SELECT tenant FROM detector.erased")).fetchall() == [("south",)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await conn.execute("SELECT count(*) FROM detector.outbox")
    finally:
        await results.close()
