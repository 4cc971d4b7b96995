"""Binds requests to one practice: PostgreSQL shows them its rows, and none before they have said which it is.

Requests act in a role of their own, whose policies compare each row's practice with a setting of the open
transaction. With the transaction the setting ends, also after an error or when the request is cancelled.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from services.runtime.postgres.connect import Connection, CountingPool, pool_with
from services.runtime.process.settings import DatabaseSettings

READ_TIMEOUT_S = 5.0
"""After this time PostgreSQL ends a statement of a request; the caller gets 503 and may ask again."""


def tenant_pool(
    settings: DatabaseSettings, application_name: str, schema: str, *, read_only: bool = False
) -> CountingPool:
    """Return a pool, not open yet, whose connections have the role that acts for one practice in `schema`."""
    session = {
        "role": _role(schema),
        "rapport.practice": "",
        "statement_timeout": str(int(READ_TIMEOUT_S * 1000)),
    }
    return pool_with(settings, application_name, session, read_only=read_only)


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


def _role(schema: str) -> str:
    return f"{schema}_tenant"
