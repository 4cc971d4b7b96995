"""A practice and its options in: stored with every service that asks for them, and a key to send with."""

from collections.abc import Mapping
from datetime import UTC, datetime

from services.cli import plugins
from services.runtime.postgres.connect import connect
from services.runtime.process.cli_plugin import Plugin, Tenant
from services.runtime.process.settings import DatabaseSettings

SCOPES = ("ratings:write", "results:read", "therapists:write")


def option_help() -> dict[str, str]:
    """Every option of a practice that an installed service declares, with its sentence of help."""
    return {name: text for plugin in plugins.installed() for name, text in plugin.tenant_options.items()}


def parse_options(given: list[str]) -> dict[str, str]:
    """`name=value` words as a mapping.

    Raises:
        ValueError: a word without `=`, or an option that no service declares.
    """
    known = option_help()
    options = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"write an option as name=value, not {word!r}")
        if name not in known:
            raise ValueError(f"no option is called {name!r}; there are {', '.join(sorted(known))}")
        options[name] = value
    return options


async def store_practice(
    database: DatabaseSettings, practice: str, options: Mapping[str, str], added_at: datetime | None = None
) -> None:
    """Store a practice's options with every service, all or none.

    Raises:
        ValueError: an option's value does not fit.
    """
    tenant_at = added_at or datetime.now(UTC)
    connection = await connect(database, "rapport-practices")
    async with connection, connection.transaction():
        for plugin in plugins.installed():
            if plugin.put_tenant is not None:
                await plugin.put_tenant(connection, Tenant(practice, tenant_at, _meant_for(plugin, options)))


def _meant_for(plugin: Plugin, options: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if name in plugin.tenant_options}
