"""A cluster's id in: every service that keeps positions accepts it, in one transaction."""

from psycopg import sql

from services.console.supervise import STATEFUL
from services.runtime.database import connect
from services.runtime.settings import DatabaseSettings

_ADOPT = """INSERT INTO {}.cluster (cluster_id) VALUES (%s)
ON CONFLICT (only_row) DO UPDATE SET cluster_id = excluded.cluster_id, adopted_at = now()"""


async def adopt(database: DatabaseSettings, cluster_id: str) -> tuple[str, ...]:
    """Store the cluster's id with each service; returns their names."""
    connection = await connect(database, "rapport-adopt")
    async with connection, connection.transaction():
        for service in STATEFUL:
            await connection.execute(sql.SQL(_ADOPT).format(sql.Identifier(service)), (cluster_id,))
    return STATEFUL
