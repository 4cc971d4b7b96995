"""Logs who signed in, viewed and answered what, and who changed the directory, as rows that are only added.

Only when a client is erased do they stop naming the items about that client.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notifier.directory.store import Connection
from services.runtime.outbox.erasures import pass_gate
from services.runtime.process.cli_plugin import AuditEntry


class AuditAction(StrEnum):
    """What a therapist, a key or an operator did, or what the directory did to somebody's access."""

    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    LIST_VIEWED = "list-viewed"
    ITEM_VIEWED = "item-viewed"
    ANSWERED = "answered"
    UNDONE = "answer-undone"
    TALKED_ABOUT = "talked-about"
    VIEWED_TOGETHER = "viewed-together"
    CASELOAD_VIEWED = "caseload-viewed"
    SESSIONS_VIEWED = "sessions-viewed"
    SESSION_ENDED = "session-ended"
    SETTINGS_CHANGED = "settings-changed"
    ACCESS_ENDED = "access-ended"
    RENAMED = "renamed"
    """Rows before it name the therapist by the reference of their time."""
    SHARED = "shared"
    SHARE_ENDED = "share-ended"
    SHARE_OPENED = "share-opened"
    """Somebody with the link read the shared item."""
    DECISIONS_READ = "decisions-read"
    THERAPIST_STORED = "therapist-stored"
    """The details name what changed."""
    THERAPIST_REMOVED = "therapist-removed"


async def write_audit_row(
    conn: Connection,
    action: AuditAction,
    *,
    practice_id: str,
    therapist_id: str,
    at: datetime,
    episode_id: UUID | None = None,
    actor: str | None = None,
    detail: str = "",
) -> None:
    """Add a row, in the open transaction of `conn`; without an actor, the therapist did it.

    An item that was erased at that moment is not named.
    """
    if episode_id is not None:
        await pass_gate(conn)
    await conn.execute(
        "INSERT INTO notifier.audit (at, practice_id, therapist_id, action, episode_id, actor, detail)"
        " VALUES (%s, %s, %s, %s, (SELECT episode_id FROM notifier.item"
        " WHERE practice_id = %s AND episode_id = %s), %s, %s)",
        (at, practice_id, therapist_id, action.value, practice_id, episode_id, actor, detail),
    )


async def log_decisions_read(
    conn: Connection, practice_id: str, key_id: str, episodes: Collection[UUID], at: datetime
) -> None:
    """Add a row for each episode whose decisions were read with a key, in the open transaction of `conn`."""
    await pass_gate(conn)
    await conn.execute(
        "INSERT INTO notifier.audit (at, practice_id, action, episode_id, actor)"
        " SELECT %s, practice_id, %s, episode_id, %s FROM notifier.episode"
        " WHERE practice_id = %s AND episode_id = ANY(%s::uuid[])",
        (at, AuditAction.DECISIONS_READ.value, f"key {key_id}", practice_id, list(episodes)),
    )


async def entries(conn: Connection, practice_id: str, client_id: str | None) -> list[AuditEntry]:
    """Return what was logged of a practice, or only what concerns the items of one client; in order."""
    rows = await conn.execute(
        "SELECT at, coalesce(actor, 'therapist ' || therapist_id), action,"
        " coalesce('episode ' || episode_id, 'therapist ' || therapist_id, ''), detail,"
        " coalesce(database_role, '') FROM notifier.audit"
        " WHERE practice_id = %(practice)s AND (%(client)s::text IS NULL OR episode_id IN (SELECT episode_id"
        " FROM notifier.change WHERE practice_id = %(practice)s AND client_id = %(client)s))"
        " ORDER BY audit_id",
        {"practice": practice_id, "client": client_id},
    )
    return [AuditEntry(*row) for row in await rows.fetchall()]
