"""Renames a therapist in the tables of every service, in one transaction."""

from services.cli import plugins
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.settings import DatabaseSettings


async def rename_therapist(settings: DatabaseSettings, practice: str, old: str, new: str) -> dict[str, int]:
    """Rename a therapist of a practice everywhere; return the number of rows changed, by table.

    Raises:
        ValueError: it cannot be done, and nothing was changed; the message says why.
        psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected: the tables are in use for now.
    """
    changed: dict[str, int] = {}
    async with await connect_for_all_practices(settings, "rapport-therapists") as conn:
        for plugin in plugins.installed():
            if plugin.rename_therapist is not None:
                changed |= await plugin.rename_therapist(conn, practice, old, new)
        if not changed:
            raise ValueError(f"nothing is known about a therapist {old} of {practice}")
    return changed
