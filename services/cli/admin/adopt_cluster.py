"""Makes every service that stores Kafka positions accept another cluster."""

from services.cli.plugins import services_with_tables
from services.runtime.outbox.positions import adopt_cluster
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.settings import DatabaseSettings


async def adopt(database: DatabaseSettings, cluster_id: str) -> tuple[str, ...]:
    """Store the cluster's id for every service in one transaction; return the services' names."""
    services = services_with_tables()
    connection = await connect_for_all_practices(database, "rapport-adopt")
    async with connection, connection.transaction():
        for service in services:
            await adopt_cluster(connection, service, cluster_id)
    return services
