"""The roles of requests are made by the migrations or by whoever may, and bind no consumer."""

from collections.abc import Iterator

import psycopg
import pytest
from pydantic import SecretStr

from deploy.postgres.tenant_guard import guard_tenants, tenant_role
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.tenant_guard import act_for, tenant_pool
from services.runtime.process.settings import DatabaseSettings
from tests.support.composed_roles import as_role, composed_server
from tests.support.postgres import fresh_database

SERVICES = ("detector", "notifier")


@pytest.fixture(scope="module")
def composed() -> Iterator[str]:
    """A server with the roles of the composed stack; yields the URL of its superuser."""
    with composed_server() as url:
        yield url


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_runs_without_the_roles_rights_reads_on(composed: str, service: str) -> None:
    """Policies bind nobody who has not taken the role."""
    with psycopg.connect(as_role(composed, service)) as conn:
        role = conn.execute("SELECT pg_has_role(%s, 'USAGE')", (tenant_role(service),)).fetchone()
        assert role == (False,)


@pytest.mark.parametrize("role", ["operator", *SERVICES])
def test_no_role_of_the_stack_may_do_more_than_sign_in(composed: str, role: str) -> None:
    with psycopg.connect(as_role(composed, role)) as conn:
        found = conn.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
        powers = conn.execute(
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pg\\_%' AND pg_has_role(oid, 'MEMBER')"
        ).fetchall()
    assert (found, powers) == ((False,) * 5, [])


def test_a_migration_that_may_not_create_the_role_says_how(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url, psycopg.connect(url) as conn:
        conn.execute("CREATE SCHEMA sparse; CREATE ROLE sparse_owner; SET ROLE sparse_owner")
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="CREATE ROLE sparse_tenant NOLOGIN; GRANT"
        ):
            conn.execute(guard_tenants("sparse", {})[0].encode())


async def test_an_owner_who_may_create_roles_gives_the_new_one_to_whoever_uses_the_tables() -> None:
    with composed_server() as url:
        with psycopg.connect(url) as admin:
            admin.execute("DROP ROLE detector_tenant, notifier_tenant")
            admin.execute("ALTER ROLE operator CREATEROLE")
        migrate(as_role(url, "operator"), "detector")
        settings = DatabaseSettings(url=SecretStr(as_role(url, "detector")))
        async with tenant_pool(settings, "results", "detector") as results, results.connection() as conn:
            found = await (await conn.execute("SELECT current_user, session_user")).fetchone()
    assert found == ("detector_tenant", "detector")


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
