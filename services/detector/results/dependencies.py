"""What the endpoints share: the connection pool, bound to one practice, and the scope that a key needs."""

from psycopg_pool import AsyncConnectionPool

from services.runtime.postgres.connect import Connection
from services.runtime.postgres.tenant_guard import tenant_pool
from services.runtime.process.settings import DatabaseSettings

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]


def results_pool(database: DatabaseSettings) -> Pool:
    """Return the pool, not open yet: it only reads, and sees no row before it is told the practice."""
    return tenant_pool(database, "results", "detector", read_only=True)
