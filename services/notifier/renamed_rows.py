"""Gives contents and next sessions of a renamed therapist or client the new reference."""

from services.runtime.postgres.connect import Connection
from services.runtime.postgres.former_names import Party, Rename

# Somebody may have stated a next session under the new reference already: what was said last counts.
_DROP_OLDER_NEXT_SESSIONS = """
DELETE FROM notifier.next_session older USING notifier.next_session newer
WHERE older.practice_id = %(practice)s AND newer.practice_id = %(practice)s
    AND older.{other} = newer.{other}
    AND (older.{renamed}, newer.{renamed}) IN ((%(old)s, %(new)s), (%(new)s, %(old)s))
    AND (older.received_at, older.{renamed}) < (newer.received_at, newer.{renamed})
"""
_RENAME_CONTENTS = """
UPDATE notifier.change SET content = jsonb_set(content, '{{{renamed}}}', to_jsonb(%(new)s::text))
WHERE practice_id = %(practice)s AND {renamed} = %(new)s
"""
_COLUMNS = {
    Party.THERAPIST: {"renamed": "therapist_id", "other": "client_id"},
    Party.CLIENT: {"renamed": "client_id", "other": "therapist_id"},
}


async def drop_older_next_sessions(conn: Connection, rename: Rename) -> None:
    """Keep the one that was received last where two next sessions become one."""
    statement = _DROP_OLDER_NEXT_SESSIONS.format(**_COLUMNS[rename.party])
    await conn.execute(statement, rename._asdict())


async def rename_contents(conn: Connection, rename: Rename) -> None:
    """Name the new reference in the changes that were told, once their columns do."""
    await conn.execute(_RENAME_CONTENTS.format(**_COLUMNS[rename.party]), rename._asdict())
