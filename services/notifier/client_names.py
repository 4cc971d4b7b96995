"""Renames a client in the notifier's tables."""

from datetime import datetime

from schemas.events import ClientRenamed
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

# A practice may have stated a next session under the new reference already: what it said last counts.
_DROP_OLDER_NEXT_SESSIONS = """
DELETE FROM notifier.next_session older USING notifier.next_session newer
WHERE older.practice_id = %(practice)s AND newer.practice_id = %(practice)s
    AND older.therapist_id = newer.therapist_id
    AND (older.client_id, newer.client_id) IN ((%(old)s, %(new)s), (%(new)s, %(old)s))
    AND (older.received_at, older.client_id) < (newer.received_at, newer.client_id)
"""
# The therapist knows the client by the number that the former reference had.
_DROP_NEW_NUMBERS = """
DELETE FROM notifier.client_number newer USING notifier.client_number known
WHERE newer.practice_id = %(practice)s AND newer.client_id = %(new)s AND known.practice_id = %(practice)s
    AND known.client_id = %(old)s AND known.therapist_id = newer.therapist_id
"""
_RENAME_CONTENTS = """
UPDATE notifier.change SET content = jsonb_set(content, '{client_id}', to_jsonb(%(new)s::text))
WHERE practice_id = %(practice)s AND client_id = %(new)s
"""
_MERGED = ("assessed_session", "change", "client_number", "item", "next_session")
"""The detector decides whether a client may be renamed; what it published since may have come first."""


async def rename_client(conn: Connection, practice: str, old: str, new: str, now: datetime) -> dict[str, int]:
    """Give a client another reference, in the open transaction; return the number of rows changed, by table.

    Items, sessions, the running number and mail that waits go along, and nobody is told anything.

    Raises:
        RenameRefusedError: the new reference belongs to somebody else, or the old one is not used any more.
    """
    values = {"practice": practice, "old": old, "new": new}
    for statement in (_DROP_OLDER_NEXT_SESSIONS, _DROP_NEW_NUMBERS):
        await conn.execute(statement, values)
    rename = Rename(Party.CLIENT, practice, old, new)
    changed = await rename_in_tables(conn, "notifier", rename, now, merged=_MERGED)
    await conn.execute(_RENAME_CONTENTS, values)
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
