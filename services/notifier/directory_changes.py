"""Stores, removes and renames therapists, and ends the access that an earlier address had."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from services.notifier.channels.channel import DeliveryReason, Purpose, contact_columns, contact_models
from services.notifier.deliveries.mail_plans import plan_mails
from services.notifier.directory.store import KEY, Connection
from services.notifier.domain.delivery import OPEN_STATES, DeliveryState
from services.notifier.domain.therapist import Therapist
from services.notifier.inbox.audit_log import AuditAction, write_audit_row
from services.notifier.renamed_rows import drop_older_next_sessions, rename_contents
from services.runtime.postgres.former_names import Party, Rename, current_name, rename_in_tables


async def put_therapist(conn: Connection, therapist: Therapist, now: datetime, *, actor: str) -> bool:
    """Store a therapist, replacing the earlier entry; return True when they are new to the directory.

    Mail that waits is planned anew. Another address (letter case does not count) ends the therapist's links
    and sessions, and cancels the links that were asked for at the earlier one. A therapist who was renamed is
    stored under the current reference.
    """
    key = await _current(conn, therapist.practice_id, therapist.therapist_id)
    therapist = replace(therapist, therapist_id=key[1])
    before = await _lock(conn, key)
    is_new = await _upsert(conn, therapist)
    after = await _lock(conn, key)
    if changed := sorted(name for name, value in after.items() if before.get(name) != value):
        await write_audit_row(
            conn,
            AuditAction.THERAPIST_STORED,
            practice_id=key[0],
            therapist_id=key[1],
            at=now,
            actor=actor,
            detail="new" if is_new else ", ".join(changed),
        )
    if not is_new and _address(before) != _address(after):
        await _end_access(conn, key, now)
        await _cancel(conn, key, [Purpose.SIGN_IN], DeliveryReason.ADDRESS_CHANGED, now)
    await plan_mails(conn, *key, now)
    return is_new


async def remove_therapist(
    conn: Connection, practice_id: str, therapist_id: str, now: datetime, *, actor: str
) -> bool:
    """Remove a therapist with their links, sessions and own settings; return False when there is none.

    Mail that waits is cancelled. Items stay: they are the practice's record, and nobody can open them.
    """
    key = await _current(conn, practice_id, therapist_id)
    removed = await conn.execute(f"DELETE FROM notifier.therapist WHERE {_IS}", key)
    if removed.rowcount == 0:
        return False
    await write_audit_row(
        conn, AuditAction.THERAPIST_REMOVED, practice_id=key[0], therapist_id=key[1], at=now, actor=actor
    )
    await conn.execute(f"DELETE FROM notifier.own_settings WHERE {_IS}", key)
    await _end_access(conn, key, now)
    await _cancel(conn, key, list(Purpose), DeliveryReason.REMOVED, now)
    return True


async def remove_others(
    conn: Connection, practice_id: str, kept: Sequence[str], now: datetime, *, actor: str
) -> int:
    """Remove the therapists of a practice who are not among those kept; return their number."""
    kept = [(await _current(conn, practice_id, one))[1] for one in kept]
    rows = await conn.execute(
        "SELECT therapist_id FROM notifier.therapist WHERE practice_id = %s AND therapist_id <> ALL(%s)"
        " ORDER BY therapist_id FOR UPDATE",
        (practice_id, list(kept)),
    )
    others = [one for (one,) in await rows.fetchall()]
    for other in others:
        await remove_therapist(conn, practice_id, other, now, actor=actor)
    return len(others)


async def rename_therapist(
    conn: Connection, practice: str, old: str, new: str, now: datetime, *, actor: str
) -> dict[str, int]:
    """Rename a therapist: entry, settings, items, links, sessions and mail that waits go along.

    Returns the number of rows changed, by table. The new reference may have a next session stated already;
    of two for one client, the one that was received last stays.

    Raises:
        RenameRefusedError: the new reference belongs to somebody else, or the old one is not used any more.
    """
    rename = Rename(Party.THERAPIST, practice, old, new)
    await drop_older_next_sessions(conn, rename)
    changed = await rename_in_tables(conn, "notifier", rename, now, merged=["next_session"])
    await rename_contents(conn, rename)
    await conn.execute(_RENAME_SUPERVISOR, rename._asdict())
    if changed:
        await write_audit_row(
            conn, AuditAction.RENAMED, practice_id=practice, therapist_id=new, at=now, actor=actor
        )
    return changed


_RENAME_SUPERVISOR = """
UPDATE notifier.therapist SET supervisor = %(new)s
WHERE practice_id = %(practice)s AND supervisor = %(old)s
"""


async def _current(conn: Connection, practice_id: str, therapist_id: str) -> tuple[str, str]:
    return practice_id, await current_name(conn, "notifier", Party.THERAPIST, practice_id, therapist_id)


_IS = f"({', '.join(KEY)}) = (%s, %s)"


async def _lock(conn: Connection, key: tuple[str, str]) -> dict[str, object]:
    """Lock an entry, so that nobody signs in beside its change, and return it; empty when there is none."""
    row = await (
        await conn.execute(
            "SELECT to_jsonb(t) - 'changed_at' - 'added_at' FROM notifier.therapist t"
            f" WHERE {_IS} FOR UPDATE",
            key,
        )
    ).fetchone()
    return {} if row is None else dict(row[0])


def _address(entry: Mapping[str, object]) -> str | None:
    address = entry.get("address")
    return str(address).lower() if address else None


async def _upsert(conn: Connection, therapist: Therapist) -> bool:
    values = {
        "practice_id": therapist.practice_id,
        "therapist_id": therapist.therapist_id,
        "address": therapist.address,
        "locale": therapist.locale,
        "time_zone": therapist.time_zone,
        "channels": [channel.value for channel in therapist.channels],
        "supervisor": therapist.supervisor,
        "quiet": therapist.quiet,
        "mail_timing": therapist.mail_timing.value if therapist.mail_timing else None,
    }
    for channel in contact_models():
        contact = therapist.contacts.get(channel)
        values |= {column: getattr(contact, name, None) for name, column in contact_columns(channel).items()}
    row = await (
        await conn.execute(
            f"INSERT INTO notifier.therapist ({', '.join(values)})"
            f" VALUES ({', '.join(f'%({column})s' for column in values)})"
            f" ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET"
            f" {', '.join(f'{column} = excluded.{column}' for column in values if column not in KEY)},"
            " changed_at = now() RETURNING xmax = 0",
            values,
        )
    ).fetchone()
    return row is not None and bool(row[0])


async def _end_access(conn: Connection, key: tuple[str, str], now: datetime) -> None:
    for table in ("session", "sign_in_link"):
        await conn.execute(f"DELETE FROM notifier.{table} WHERE {_IS}", key)
    await conn.execute(
        f"UPDATE notifier.share SET ended_at = %s WHERE {_IS} AND ended_at IS NULL", (now, *key)
    )
    await write_audit_row(conn, AuditAction.ACCESS_ENDED, practice_id=key[0], therapist_id=key[1], at=now)


async def _cancel(
    conn: Connection,
    key: tuple[str, str],
    purposes: Sequence[Purpose],
    reason: DeliveryReason,
    now: datetime,
) -> None:
    await conn.execute(
        "UPDATE notifier.delivery SET state = %s, reason = %s, finished_at = %s, next_try_at = NULL"
        f" WHERE {_IS} AND purpose = ANY(%s) AND state = ANY(%s)",
        (
            DeliveryState.CANCELLED.value,
            reason.value,
            now,
            *key,
            [purpose.value for purpose in purposes],
            list(OPEN_STATES),
        ),
    )
