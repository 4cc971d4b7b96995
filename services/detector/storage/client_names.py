"""Renames a client in the detector's tables."""

from datetime import datetime

from services.runtime.postgres.connect import Connection
from services.runtime.postgres.former_names import Party, Rename, RenameRefusedError, rename_in_tables

_HAS_SESSIONS = "SELECT FROM detector.dyad WHERE practice_id = %s AND client_id = %s LIMIT 1"


async def rename_client(conn: Connection, practice: str, old: str, new: str, now: datetime) -> dict[str, int]:
    """Give a client another reference, in the open transaction; return the number of rows changed, by table.

    Histories, assessments, episodes and what waits go along, and nothing is assessed or published anew.

    Raises:
        RenameRefusedError: the new reference has sessions of its own or belongs to somebody else, or the old
            one is not used any more.
    """
    if await (await conn.execute(_HAS_SESSIONS, (practice, new))).fetchone() is not None:
        raise RenameRefusedError(
            f"{new} has sessions of its own, and two histories cannot become one: send the sessions of {old}"
            f' with the status "withdrawn", and then again as sessions of {new}'
        )
    return await rename_in_tables(conn, "detector", Rename(Party.CLIENT, practice, old, new), now)
