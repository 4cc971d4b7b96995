"""Collects from all services how their work for a practice stands."""

from datetime import UTC, datetime

from services.cli import plugins
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.cli_plugin import StatusLine
from services.runtime.process.settings import DatabaseSettings


async def read_status(database: DatabaseSettings, practice: str) -> list[StatusLine]:
    """Return the lines of every service, all read at one moment."""
    connection = await connect_for_all_practices(database, "rapport-practices")
    async with connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return [
            line
            for plugin in plugins.installed()
            if plugin.tenant_status is not None
            for line in await plugin.tenant_status(connection, practice, datetime.now(UTC))
        ]
