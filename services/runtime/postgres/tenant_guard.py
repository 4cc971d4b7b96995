"""Opens connections that see the rows of one practice at a time, and none before they are told which."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg_pool import AsyncConnectionPool

from services.runtime.postgres.connect import Connection, pool
from services.runtime.process.settings import DatabaseSettings

READ_TIMEOUT_S = 5.0
"""After this time PostgreSQL ends a statement of a request; the caller gets 503 and may ask again."""

_ACT_FOR = "SELECT set_config('rapport.practice', %s, true)"


def tenant_pool(
    settings: DatabaseSettings, application_name: str, schema: str, *, read_only: bool = False
) -> AsyncConnectionPool[Connection]:
    """Return a pool, not open yet, whose connections have the role that acts for one practice in `schema`."""
    session = {
        "role": f"{schema}_tenant",
        "rapport.practice": "",
        "statement_timeout": str(int(READ_TIMEOUT_S * 1000)),
    }
    return pool(settings, application_name, read_only=read_only, session=session)


async def act_for(conn: Connection, tenant: str) -> None:
    """Let the open transaction see the rows of this practice, until it ends."""
    await conn.execute(_ACT_FOR, (tenant,))


@asynccontextmanager
async def connection_for(
    connections: AsyncConnectionPool[Connection], tenant: str
) -> AsyncIterator[Connection]:
    """Borrow a connection in whose first transaction this practice's rows are seen."""
    async with connections.connection() as conn:
        await act_for(conn, tenant)
        yield conn
