"""What the endpoints share: the connection pool, and the scope that a key needs."""

from psycopg_pool import AsyncConnectionPool

from services.runtime.postgres.connect import Connection

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]
