"""Logs what operators do by commands, and reads who did what from every service's log."""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from services.cli import plugins
from services.runtime.http.key_file import ApiKey
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.postgres.former_names import Party, current_name
from services.runtime.process.cli_plugin import AuditEntry, OperatorAct
from services.runtime.process.settings import DatabaseSettings


class OperatorAction(StrEnum):
    """What an operator did to a practice."""

    PRACTICE_STORED = "practice-stored"
    """The details are the options that were given."""
    KEY_ADDED = "key-added"
    KEY_ROTATED = "key-rotated"
    KEY_REVOKED = "key-revoked"
    GRANT_ADDED = "grant-added"
    """A network's key may act for the practice, too."""
    GRANT_REMOVED = "grant-removed"
    CLIENT_EXPORTED = "client-exported"
    CLIENT_RENAMED = "client-renamed"
    RATINGS_EXPORTED = "ratings-exported"


ERASED = "erased"
"""The action of an entry that stands for an erasure, which is recorded in a table of its own."""


def acts_on_key(key: ApiKey, action: OperatorAction, detail: str = "") -> list[OperatorAct]:
    """Return an act for each practice that the key may act for."""
    words = f"key {key.key_id} {detail}".rstrip()
    return [OperatorAct(practice, action.value, words) for practice in key.grants]


async def record_acts(conn: Connection, acts: Sequence[OperatorAct]) -> None:
    """Log acts in the open transaction."""
    for plugin in plugins.installed():
        if plugin.record_acts is not None:
            await plugin.record_acts(conn, acts)


async def store_acts(database: DatabaseSettings, acts: Iterable[OperatorAct]) -> None:
    """Log acts in a transaction of their own.

    Raises:
        psycopg.Error: they could not be stored.
    """
    async with await connect_for_all_practices(database, "rapport-audit") as conn:
        await record_acts(conn, list(acts))


async def read_audit(database: DatabaseSettings, practice: str, client: str | None) -> list[AuditEntry]:
    """Return who did what of a practice, oldest first; or only what concerns one client.

    Erasures are among them, except where one client is asked for: nobody knows any more whose they were.
    """
    found: list[AuditEntry] = []
    erasures: list[AuditEntry] = []
    async with await connect_for_all_practices(database, "rapport-audit") as conn:
        for plugin in plugins.installed():
            if plugin.audit is not None:
                of = client and await current_name(conn, plugin.name, Party.CLIENT, practice, client)
                found += await plugin.audit(conn, practice, of)
            if plugin.has_tables and client is None:
                erasures += await _erasures(conn, plugin.name, practice)
    # Each service records an erasure, in one transaction.
    return sorted([*found, *dict.fromkeys(erasures)], key=lambda one: one.at)


async def _erasures(conn: Connection, service: str, practice: str) -> list[AuditEntry]:
    return [
        AuditEntry(
            one.recorded_at,
            f"operator {one.requested_by}",
            ERASED,
            one.kind,
            f"{sum(one.erased_rows.values())} rows",
            one.database_role,
        )
        for one in await Erasures(service).stored(conn, practice)
    ]
