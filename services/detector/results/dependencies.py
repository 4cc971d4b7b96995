"""What the endpoints share: the pool, bound to one practice, a key's scope, and a look at the logs' ends."""

from collections.abc import Awaitable, Callable

from psycopg_pool import AsyncConnectionPool

from services.runtime.consumer.log_ends import LogEnds
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.tenant_guard import tenant_pool
from services.runtime.process.settings import DatabaseSettings

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]
ReadEnds = Callable[[], Awaitable[LogEnds | None]]
"""Returns where the logs of ratings ended at a moment after the call; None when that is not known now."""


def results_pool(database: DatabaseSettings) -> Pool:
    """Return the pool, not open yet: it only reads, and sees no row before it is told the practice."""
    return tenant_pool(database, "results", "detector", read_only=True)


async def ends_unknown() -> LogEnds | None:
    """Know nothing about the logs, as where there is no connection to Kafka."""
    return None
