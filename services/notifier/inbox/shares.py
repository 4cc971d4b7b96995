"""Stores the links by which a therapist shares one item, and finds what a link opens."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from services.notifier.directory.store import Connection
from services.notifier.inbox.items import LIVE_SHARE, Share, has_item
from services.notifier.sign_in import SignInSession
from services.runtime.outbox.erasures import pass_gate
from services.runtime.postgres.tenant_guard import act_for_holder

SHARE_LASTS = timedelta(days=3)
"""How long a link works: until the next supervision, and no longer."""


async def share_item(
    conn: Connection, session: SignInSession, episode: UUID, now: datetime, *, with_reference: bool
) -> bool:
    """Make a link to the item, in place of an earlier one; return False when they have no such item."""
    await pass_gate(conn)
    if not await has_item(conn, session.practice_id, session.therapist_id, episode):
        return False
    await end_share(conn, session, episode, now)
    await conn.execute(
        "INSERT INTO notifier.share (share_id, practice_id, therapist_id, episode_id, with_reference,"
        " shared_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (
            uuid4(),
            session.practice_id,
            session.therapist_id,
            episode,
            with_reference,
            now,
            now + SHARE_LASTS,
        ),
    )
    return True


async def end_share(conn: Connection, session: SignInSession, episode: UUID, now: datetime) -> bool:
    """End the link to the item; return False when there is none that works."""
    cursor = await conn.execute(
        f"UPDATE notifier.share SET ended_at = %s WHERE practice_id = %s AND therapist_id = %s"
        f" AND episode_id = %s AND {LIVE_SHARE}",
        (now, session.practice_id, session.therapist_id, episode, now),
    )
    return cursor.rowcount > 0


async def find_share(conn: Connection, share_id: UUID, now: datetime) -> Share | None:
    """Return the share of a link, and bind the open transaction to its practice.

    None when it has ended or expired.
    """
    if not await act_for_holder(conn, "notifier.practice_of_share", share_id):
        return None
    row = await (
        await conn.execute(
            "SELECT share_id, practice_id, therapist_id, episode_id, with_reference, expires_at"
            f" FROM notifier.share WHERE share_id = %s AND {LIVE_SHARE}",
            (share_id, now),
        )
    ).fetchone()
    return None if row is None else Share(*row)
