"""Renames a client in the notifier's tables."""

from datetime import datetime

from services.runtime.postgres.connect import Connection
from services.runtime.postgres.former_names import Party, Rename, rename_in_tables

# A practice may have stated a next session under the new reference already: what it said last counts.
_DROP_OLDER_NEXT_SESSIONS = """
DELETE FROM notifier.next_session older USING notifier.next_session newer
WHERE older.practice_id = %(practice)s AND newer.practice_id = %(practice)s
    AND older.therapist_id = newer.therapist_id
    AND (older.client_id, newer.client_id) IN ((%(old)s, %(new)s), (%(new)s, %(old)s))
    AND (older.received_at, older.client_id) < (newer.received_at, newer.client_id)
"""
_RENAME_CONTENTS = """
UPDATE notifier.change SET content = jsonb_set(content, '{client_id}', to_jsonb(%(new)s::text))
WHERE practice_id = %(practice)s AND client_id = %(new)s
"""


async def rename_client(conn: Connection, practice: str, old: str, new: str, now: datetime) -> dict[str, int]:
    """Give a client another reference, in the open transaction; return the number of rows changed, by table.

    Items, sessions, the running number and mail that waits go along, and nobody is told anything.

    Raises:
        RenameRefusedError: the new reference belongs to somebody else, or the old one is not used any more.
    """
    values = {"practice": practice, "old": old, "new": new}
    await conn.execute(_DROP_OLDER_NEXT_SESSIONS, values)
    rename = Rename(Party.CLIENT, practice, old, new)
    changed = await rename_in_tables(conn, "notifier", rename, now, merged=["next_session"])
    await conn.execute(_RENAME_CONTENTS, values)
    return changed
