"""What the endpoints share: the pool, bound to one practice, a key's scope, and a look at the logs' ends."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from psycopg_pool import AsyncConnectionPool

from services.runtime.consumer.log_ends import LogEnds
from services.runtime.postgres.connect import MOST_CONNECTIONS, Connection
from services.runtime.postgres.tenant_guard import tenant_pool
from services.runtime.process.errors import Retry
from services.runtime.process.settings import DatabaseSettings

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]
ReadEnds = Callable[[], Awaitable[LogEnds | None]]
"""Returns where the logs of ratings ended at a moment after the call; None when that is not known now."""

RenameClient = Callable[[str, str, str, str], Awaitable[datetime]]
"""Renames a client, given practice, former and new reference, and who wants it; returns when that was."""


async def cannot_rename(_practice: str, _old: str, _new: str, _actor: str) -> datetime:
    """Rename nobody, as where there is no connection to Kafka."""
    raise Retry("nothing can be renamed here")


def results_pool(database: DatabaseSettings, connections: int = MOST_CONNECTIONS) -> Pool:
    """Return the pool, not open yet: it only reads, and sees no row before it is told the practice."""
    return tenant_pool(database, "results", "detector", connections=connections, read_only=True)


async def ends_unknown() -> LogEnds | None:
    """Know nothing about the logs, as where there is no connection to Kafka."""
    return None
