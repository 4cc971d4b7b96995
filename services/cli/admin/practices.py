"""Stores practices and their options with every service that keeps them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from services.cli import plugins
from services.cli.admin.audit import OperatorAction, record_acts
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.cli_plugin import OperatorAct, Plugin, Tenant
from services.runtime.process.settings import DatabaseSettings

SCOPES = ("ratings:write", "results:read", "therapists:write")
"""Scopes of a practice's key."""


def option_help() -> dict[str, str]:
    """Return the help text of every practice option that an installed service declares, by name."""
    return {name: text for plugin in plugins.installed() for name, text in plugin.tenant_options.items()}


def parse_options(words: list[str]) -> dict[str, str]:
    """Return `name=value` words as a mapping.

    Raises:
        ValueError: a word contains no `=`, or no service declares the option.
    """
    known = option_help()
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"write an option as name=value, not {word!r}")
        if name not in known:
            raise ValueError(f"there is no option {name!r}; the options are {', '.join(sorted(known))}")
        options[name] = value
    return options


async def store_practice(
    database: DatabaseSettings, practice: str, options: Mapping[str, str], added_at: datetime | None = None
) -> None:
    """Store a practice's options with every service, and who did it, in one transaction.

    Raises:
        ValueError: the value of an option is invalid.
    """
    tenant_added_at = added_at or datetime.now(UTC)
    connection = await connect_for_all_practices(database, "rapport-practices")
    async with connection, connection.transaction():
        for plugin in plugins.installed():
            if plugin.put_tenant is not None:
                tenant = Tenant(practice, tenant_added_at, _options_of(plugin, options))
                await plugin.put_tenant(connection, tenant)
        given = " ".join(f"{name}={value}" for name, value in sorted(options.items()))
        await record_acts(connection, [OperatorAct(practice, OperatorAction.PRACTICE_STORED.value, given)])


def _options_of(plugin: Plugin, options: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if name in plugin.tenant_options}
