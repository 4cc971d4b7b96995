"""A cluster's id in: every service that keeps positions accepts it, in one transaction."""

from services.cli.local.supervisor import STATEFUL
from services.runtime.outbox.positions import adopt_cluster
from services.runtime.postgres.connect import connect
from services.runtime.process.settings import DatabaseSettings


async def adopt(database: DatabaseSettings, cluster_id: str) -> tuple[str, ...]:
    """Store the cluster's id with each service; returns their names."""
    connection = await connect(database, "rapport-adopt")
    async with connection, connection.transaction():
        for service in STATEFUL:
            await adopt_cluster(connection, service, cluster_id)
    return STATEFUL
