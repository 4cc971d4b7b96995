"""Stores practices and their options with every service that keeps them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from services.cli import plugins
from services.cli.admin.audit import OperatorAction, record_acts
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.cli_plugin import Connection, OperatorAct, Plugin, Tenant
from services.runtime.process.settings import DatabaseSettings

_ID = re.compile(r"[A-Za-z0-9._:][A-Za-z0-9._:-]{0,127}")
"""An id that needs no quoting on the shell and begins like no option."""
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


def check_id(practice: str) -> None:
    """Check that an id can be given to a practice: it stands in the header of requests, and on the shell.

    Raises:
        ValueError: it cannot; the message says what is expected.
    """
    if not _ID.fullmatch(practice):
        raise ValueError(
            f"{practice!r} cannot be the id of a practice: expected 1 to 128 letters, digits and . _ : -"
            " without blanks, such as my-practice"
        )


async def store_practice(
    database: DatabaseSettings, practice: str, options: Mapping[str, str], added_at: datetime | None = None
) -> None:
    """Store a practice's options with every service, and who did it, in one transaction.

    Raises:
        ValueError: the value of an option is invalid.
    """
    await store_practices(database, {practice: options}, added_at)


async def store_practices(
    database: DatabaseSettings,
    practices: Mapping[str, Mapping[str, str]],
    added_at: datetime | None = None,
    *,
    must_exist: bool = False,
) -> None:
    """Store the options of several practices likewise: of all, or of none.

    Raises:
        ValueError: the value of an option is invalid; or, with `must_exist`, there is no such practice.
    """
    tenant_added_at = added_at or datetime.now(UTC)
    connection = await connect_for_all_practices(database, "rapport-practices")
    async with connection, connection.transaction():
        for practice, options in practices.items():
            if must_exist and not await exists(connection, practice):
                raise ValueError(no_practice(practice))
            for plugin in plugins.installed():
                if plugin.put_tenant is not None:
                    tenant = Tenant(practice, tenant_added_at, _options_of(plugin, options))
                    await plugin.put_tenant(connection, tenant)
            given = " ".join(f"{name}={value}" for name, value in sorted(options.items()))
            act = OperatorAct(practice, OperatorAction.PRACTICE_STORED.value, given)
            await record_acts(connection, [act])


async def exists(connection: Connection, practice: str) -> bool:
    """Return whether any service knows a practice."""
    for plugin in plugins.installed():
        if plugin.has_tenant is not None and await plugin.has_tenant(connection, practice):
            return True
    return False


async def is_known(database: DatabaseSettings, practice: str) -> bool:
    """Return whether any service knows a practice."""
    async with await connect_for_all_practices(database, "rapport-practices") as connection:
        return await exists(connection, practice)


def no_practice(practice: str) -> str:
    """Return the sentence for a practice that does not exist."""
    return (
        f"There is no practice {practice}: `rapport practices list` shows all, and `rapport practices add"
        f" {practice}` adds it."
    )


def _options_of(plugin: Plugin, options: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if name in plugin.tenant_options}
