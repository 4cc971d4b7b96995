"""Renames a client in the notifier's tables."""

from datetime import datetime

from schemas.events import ClientRenamed
from services.notifier.renamed_rows import drop_older_next_sessions, rename_contents
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.former_names import (
    Party,
    Rename,
    lock_names,
    rename_in_tables,
    renamed_at,
)

# The therapist knows the client by the number that the former reference had.
_DROP_NEW_NUMBERS = """
DELETE FROM notifier.client_number newer USING notifier.client_number known
WHERE newer.practice_id = %(practice)s AND newer.client_id = %(new)s AND known.practice_id = %(practice)s
    AND known.client_id = %(old)s AND known.therapist_id = newer.therapist_id
"""
_MERGED = ("assessed_session", "change", "client_number", "item", "measure", "next_session")
"""The detector decides whether a client may be renamed; what it published since may have come first."""


async def rename_client(conn: Connection, practice: str, old: str, new: str, now: datetime) -> dict[str, int]:
    """Give a client another reference, in the open transaction; return the number of rows changed, by table.

    Items, sessions, the running number and mail that waits go along, and nobody is told anything.

    Raises:
        RenameRefusedError: the new reference belongs to somebody else, or the old one is not used any more.
    """
    rename = Rename(Party.CLIENT, practice, old, new)
    await drop_older_next_sessions(conn, rename)
    await conn.execute(_DROP_NEW_NUMBERS, rename._asdict())
    changed = await rename_in_tables(conn, "notifier", rename, now, merged=_MERGED)
    await rename_contents(conn, rename)
    return changed


async def take_over(tx: Transaction, renamed: ClientRenamed, erasures: Erasures) -> None:
    """Rename a client as the detector has; one that is read again, or was erased since, changes nothing.

    Raises:
        RenameRefusedError: the references belong to other clients here than in the detector's tables.
    """
    practice, old, new = renamed.practice_id, renamed.former_client_id, renamed.client_id
    await lock_names(tx.conn, "notifier", Party.CLIENT)
    known = await renamed_at(tx.conn, "notifier", Party.CLIENT, practice, old)
    if known is not None and known >= renamed.renamed_at:
        return
    if await erasures.newest(tx.conn) is not None:
        subjects = [("client", practice, name) for name in (old, new)]
        until = await erasures.until(tx.conn, subjects)
        if any(at >= renamed.renamed_at for at in until.values()):
            return
    await rename_client(tx.conn, practice, old, new, renamed.renamed_at)
