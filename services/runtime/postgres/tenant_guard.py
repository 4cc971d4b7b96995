"""Binds requests to one practice: PostgreSQL shows them its rows, and none before they have said which it is.

Requests act in a role of their own, whose policies compare each row's practice with a setting of the open
transaction. With the transaction the setting ends, also after an error or when the request is cancelled.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import LiteralString

from psycopg_pool import AsyncConnectionPool

from services.runtime.postgres.connect import MOST_CONNECTIONS, Connection, CountingPool, pool_with
from services.runtime.process.settings import DatabaseSettings

READ_TIMEOUT_S = 5.0
"""After this time PostgreSQL ends a statement of a request; the caller gets 503 and may ask again."""

_UNBOUND: LiteralString = """
SELECT login.rolname, to_regrole(%(role)s) IS NULL FROM pg_roles AS login
WHERE rolcanlogin AND CASE WHEN to_regrole(%(role)s) IS NULL THEN true
    ELSE NOT pg_has_role(login.oid, to_regrole(%(role)s), 'SET') END
"""
# Only a service adds rows to its outbox. Where others may, the owner of the table only migrates it.
_OF_A_SERVICE: LiteralString = """
AND has_table_privilege(login.oid, %(table)s, 'INSERT') AND NOT EXISTS (
    SELECT FROM pg_class WHERE pg_class.oid = %(table)s::regclass AND relowner = login.oid AND EXISTS (
        SELECT FROM pg_roles AS other WHERE rolcanlogin AND NOT rolsuper AND other.oid <> relowner
            AND has_table_privilege(other.oid, %(table)s, 'INSERT')))
"""


def tenant_pool(
    settings: DatabaseSettings,
    application_name: str,
    schema: str,
    *,
    connections: int = MOST_CONNECTIONS,
    read_only: bool = False,
) -> CountingPool:
    """Return a pool, not open yet, whose connections have the role that acts for one practice in `schema`."""
    session = {
        "role": _role(schema),
        "rapport.practice": "",
        "statement_timeout": str(int(READ_TIMEOUT_S * 1000)),
    }
    return pool_with(settings, application_name, session, connections=connections, read_only=read_only)


async def act_for(conn: Connection, tenant: str) -> None:
    """Let the open transaction see the rows of this practice, until it ends."""
    await conn.execute("SELECT set_config('rapport.practice', %s, true)", (tenant,))


async def act_for_holder(conn: Connection, lookup: str, secret: object) -> bool:
    """Let the open transaction see the rows of the practice that somebody's secret belongs to.

    `lookup` is the function of the schema that returns the practice of exactly this secret. Returns False,
    and no row is seen, when it belongs to nobody.
    """
    rows = await conn.execute(
        f"SELECT set_config('rapport.practice', coalesce({lookup}(%s), ''), true) <> ''", (secret,)
    )
    row = await rows.fetchone()
    return row is not None and bool(row[0])


@asynccontextmanager
async def connection_for(
    connections: AsyncConnectionPool[Connection], tenant: str
) -> AsyncIterator[Connection]:
    """Borrow a connection in whose first transaction this practice's rows are seen."""
    async with connections.connection() as conn:
        await act_for(conn, tenant)
        yield conn


@asynccontextmanager
async def bound_to(conn: Connection, schema: str, tenant: str) -> AsyncIterator[None]:
    """Bind a part of the open transaction of a connection that sees all practices' rows to one practice.

    An error inside must end the transaction: the rest of it stays bound.
    """
    await conn.execute(f"SET LOCAL ROLE {_role(schema)}")
    await act_for(conn, tenant)
    yield
    await conn.execute("RESET ROLE")


async def why_unbound(conn: Connection, schema: str) -> str | None:
    """Return why the login of this connection cannot act for a practice, and the cure; None if it can."""
    found = await _unbound(conn, schema, _UNBOUND + "AND login.rolname = current_user")
    return next(iter(found.values()), None)


async def unbound_logins(conn: Connection, schema: str) -> dict[str, str]:
    """Return the logins of a service that cannot act for a practice, each with the reason and the cure.

    A service that connects as one of them answers every request with 503.
    """
    return await _unbound(conn, schema, _UNBOUND + _OF_A_SERVICE)


async def _unbound(conn: Connection, schema: str, query: LiteralString) -> dict[str, str]:
    role = _role(schema)
    rows = await conn.execute(query, {"role": role, "table": f"{schema}.outbox"})
    return {login: _cure(role, login, is_missing=is_missing) for login, is_missing in await rows.fetchall()}


def _cure(role: str, login: str, *, is_missing: bool) -> str:
    grant = f"GRANT {role} TO {login} WITH INHERIT FALSE, SET TRUE"
    what = f"the role {role}, in which requests are answered,"
    if is_missing:
        create = f"CREATE ROLE {role} NOLOGIN; {grant}"
        return f"{what} is missing: run as a superuser {create}; then `rapport migrate`"
    return f"{what} is not granted to {login}: run as a superuser {grant}"


def _role(schema: str) -> str:
    return f"{schema}_tenant"
