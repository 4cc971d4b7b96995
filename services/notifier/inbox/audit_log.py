"""Logs who signed in, viewed and answered what, and whose access ended, as rows that are never changed.

Only when a client is erased do they stop naming the items about that client.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notifier.directory.store import Connection
from services.runtime.outbox.erasures import pass_gate


class AuditAction(StrEnum):
    """What a therapist did, or what the directory did to their access."""

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


async def write_audit_row(
    conn: Connection,
    action: AuditAction,
    *,
    practice_id: str,
    therapist_id: str,
    at: datetime,
    episode_id: UUID | None = None,
) -> None:
    """Add a row, in the open transaction of `conn`; an item that was erased at that moment is not named."""
    if episode_id is not None:
        await pass_gate(conn)
    await conn.execute(
        "INSERT INTO notifier.audit (at, practice_id, therapist_id, action, episode_id)"
        " VALUES (%s, %s, %s, %s, (SELECT episode_id FROM notifier.item WHERE episode_id = %s))",
        (at, practice_id, therapist_id, action.value, episode_id),
    )
