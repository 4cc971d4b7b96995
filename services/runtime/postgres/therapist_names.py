"""Renames therapists in every table of a service, and finds who is meant by a name that one had before."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from services.runtime.postgres.connect import Connection

NOT_RENAMED = frozenset({"therapist_name", "audit"})
"""Tables that keep the names of their time: the names themselves, and the log of who did what."""

_TABLES = """
SELECT c.table_name, bool_or(c.column_name = 'practice_id') FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = %s AND t.table_type = 'BASE TABLE' AND c.table_name <> ALL(%s)
GROUP BY c.table_name HAVING bool_or(c.column_name = 'therapist_id') ORDER BY c.table_name
"""


class TherapistName(NamedTuple):
    """Who is meant by a therapist's reference."""

    first: str
    """The reference that ids of dyads are made of."""
    current: str
    """The reference under which everything is stored."""


Names = Mapping[tuple[str, str], TherapistName]
"""The therapists who were renamed, by practice and any reference that they have or had."""


class RenameRefusedError(ValueError):
    """A therapist cannot be renamed so; the message says why and what to do."""


class TherapistRename(NamedTuple):
    """The reference that a practice has replaced, and the new one."""

    practice: str
    old: str
    new: str


async def read_names(conn: Connection, schema: str, practices: Iterable[str]) -> Names:
    """Return the therapists of these practices who were renamed; none is until the transaction ends."""
    wanted = sorted(set(practices))
    if not wanted:
        return {}
    rows = await conn.execute(
        f"SELECT practice_id, therapist_id, first_id, current_id FROM {schema}.therapist_name"
        " WHERE practice_id = ANY(%s)",
        (wanted,),
    )
    names: dict[tuple[str, str], TherapistName] = {}
    for practice, therapist, first, current in await rows.fetchall():
        names[practice, therapist] = TherapistName(first, current)
    return names


async def current_name(conn: Connection, schema: str, practice: str, therapist: str) -> str:
    """Return the reference under which everything about a therapist is stored."""
    name = (await read_names(conn, schema, [practice])).get((practice, therapist))
    return therapist if name is None else name.current


async def rename_therapist(
    conn: Connection, schema: str, rename: TherapistRename, now: datetime, merged: Collection[str] = ()
) -> dict[str, int]:
    """Rename a therapist in every table with practices and therapists; return the rows changed of each.

    Transactions that have read the names are waited for, and new ones wait. `merged` names tables in which
    the new reference may have rows already; the caller has removed those of the old one that they replace.

    Raises:
        RenameRefusedError: the new reference belongs to somebody else, or the old one is not used any more.
    """
    await conn.execute(f"LOCK TABLE {schema}.therapist_name IN ACCESS EXCLUSIVE MODE")
    names = await read_names(conn, schema, [rename.practice])
    first = _check_names(names, rename)
    found = await (await conn.execute(_TABLES, (schema, list(NOT_RENAMED)))).fetchall()
    tables = [table for table, has_practice in found if has_practice]
    await conn.execute(
        f"LOCK TABLE {', '.join(f'{schema}.{one}' for one in tables)} IN SHARE ROW EXCLUSIVE MODE"
    )
    taken = [
        table
        for table in tables
        if table not in merged and await _count(conn, f"{schema}.{table}", rename.practice, rename.new)
    ]
    if taken:
        raise RenameRefusedError(
            f"{rename.new} has rows of its own already ({', '.join(f'{schema}.{one}' for one in taken)}):"
            " two therapists cannot become one"
        )
    changed = {}
    for table in tables:
        done = await conn.execute(
            f"UPDATE {schema}.{table} SET therapist_id = %s WHERE practice_id = %s AND therapist_id = %s",
            (rename.new, rename.practice, rename.old),
        )
        if done.rowcount:
            changed[f"{schema}.{table}"] = done.rowcount
    await _store_names(conn, schema, rename, first, now)
    return changed


def _check_names(names: Names, rename: TherapistRename) -> str:
    """Return the first reference of the therapist who is renamed."""
    known = names.get((rename.practice, rename.old))
    if known is not None and known.current != rename.old:
        raise RenameRefusedError(f"{rename.old} is called {known.current} already: name that one with --from")
    first = rename.old if known is None else known.first
    other = names.get((rename.practice, rename.new))
    if other is not None and other.first != first:
        raise RenameRefusedError(
            f"{rename.new} was the reference of a therapist who is now called {other.current}, and what names"
            " it is still read as theirs: choose another reference"
        )
    return first


async def _count(conn: Connection, table: str, practice: str, therapist: str) -> int:
    row: Any = await (
        await conn.execute(
            f"SELECT count(*) FROM {table} WHERE practice_id = %s AND therapist_id = %s",
            (practice, therapist),
        )
    ).fetchone()
    return int(row[0])


async def _store_names(
    conn: Connection, schema: str, rename: TherapistRename, first: str, now: datetime
) -> None:
    await conn.execute(
        f"UPDATE {schema}.therapist_name SET current_id = %s WHERE practice_id = %s AND first_id = %s",
        (rename.new, rename.practice, first),
    )
    async with conn.cursor() as cursor:
        await cursor.executemany(
            f"INSERT INTO {schema}.therapist_name VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(rename.practice, one, first, rename.new, now) for one in (rename.old, rename.new)],
        )
