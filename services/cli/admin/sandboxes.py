"""Finds the sandboxes, and erases them every night; what was set for them stays."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

import psycopg

from services.cli import plugins
from services.cli.admin.erase import erase
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.cli_plugin import ErasureScope
from services.runtime.process.settings import DatabaseSettings

NIGHT = time(1)
"""When a night begins, unless told otherwise (UTC)."""
LOOK_EVERY_S = 60.0
"""How often a process that erases every night looks whether one has begun."""
NIGHTLY = "every night"
"""At whose request a sandbox is erased at night."""
OPTIONS: Mapping[str, str] = {"tell_from": "always", "max_age_days": "none", "mail_timing": "immediate"}
"""A new sandbox's options: made-up sessions may be of any date, and a mail is not waited for."""
_NOW = "SELECT clock_timestamp()"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A practice of made-up data."""

    id: str
    added_at: datetime
    erased_at: datetime | None
    """When the whole of it was last erased; None: it never was."""

    @property
    def empty_at(self) -> datetime:
        """When it held no data at last."""
        return self.added_at if self.erased_at is None else max(self.added_at, self.erased_at)

    def is_due(self, night_began: datetime, now: datetime) -> bool:
        """Return whether it was not erased since then; one that a clock dated ahead of `now` is none."""
        return self.empty_at < night_began or (self.erased_at is not None and self.erased_at > now)


async def list_sandboxes(database: DatabaseSettings) -> list[Sandbox]:
    """Return all sandboxes, in the order of their ids."""
    async with await connect_for_all_practices(database, "rapport-sandboxes") as conn:
        return await _sandboxes(conn)


async def erase_sandboxes(
    database: DatabaseSettings, secret: bytes, night: time | None = None
) -> dict[str, Counter[str]]:
    """Erase the sandboxes, and return how many rows of which table, by sandbox.

    Given when a night begins (UTC), only those that were not erased since the last night began: those that
    were added meanwhile wait for the next one.

    Raises:
        Halt: the secret is another one than that of earlier erasures.
        psycopg.Error: PostgreSQL failed for one of them; the others are erased. Repeating it finishes it.
    """
    async with await connect_for_all_practices(database, "rapport-sandboxes") as conn:
        found = await _sandboxes(conn)
        ((now,),) = await (await conn.execute(_NOW)).fetchall()
    due = found if night is None else [one for one in found if one.is_due(began(night, now), now)]
    erased: dict[str, Counter[str]] = {}
    failed: psycopg.Error | None = None
    for one in due:
        scope = ErasureScope(one.id, keeps_settings=True)
        try:
            erased[one.id] = await erase(database, secret, scope, requested_by=NIGHTLY)
        except psycopg.Error as error:
            failed = error
    if failed is not None:
        raise failed
    return erased


def began(night: time, now: datetime) -> datetime:
    """Return when the last night began, which begins at that time of the day (UTC).

    >>> began(time(1), datetime(2026, 3, 2, 0, 59, tzinfo=UTC))
    datetime.datetime(2026, 3, 1, 1, 0, tzinfo=datetime.timezone.utc)
    """
    today = datetime.combine(now.astimezone(UTC).date(), night, UTC)
    return today if today <= now else today - timedelta(days=1)


async def _sandboxes(conn: Connection) -> list[Sandbox]:
    added: dict[str, datetime] = {}
    erased: dict[str, datetime] = {}
    for plugin in plugins.installed():
        if plugin.sandboxes is not None:
            added |= await plugin.sandboxes(conn)
        if plugin.has_tables:
            for one in await Erasures(plugin.name).stored(conn, None):
                # The first record of an erasure names no tables: one that was interrupted is not over.
                if one.kind == "tenant" and one.erased_rows:
                    # Not `erased_at`, which may be of another clock that was ahead.
                    erased[one.tenant] = max(one.recorded_at, erased.get(one.tenant, one.recorded_at))
    return [Sandbox(id_, at, erased.get(id_)) for id_, at in sorted(added.items())]
