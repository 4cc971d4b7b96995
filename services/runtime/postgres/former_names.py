"""Renames therapists and clients in a service's tables, and finds who is meant by an earlier reference."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from services.runtime.postgres.arrays import texts
from services.runtime.postgres.connect import Connection


class Party(StrEnum):
    """Who can be renamed."""

    THERAPIST = "therapist"
    CLIENT = "client"


NOT_RENAMED = frozenset({"therapist_name", "client_name", "audit"})
"""Tables that keep the names of their time: the names themselves, and the log of who did what."""

_TABLES = """
SELECT c.table_name, bool_or(c.column_name = 'practice_id') FROM information_schema.columns c
JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = %s AND t.table_type = 'BASE TABLE' AND c.table_name <> ALL(%s)
GROUP BY c.table_name HAVING bool_or(c.column_name = %s) ORDER BY c.table_name
"""
# A record that waited may name its client otherwise than the batch, so all names of a client are read.
_NAMES = """
SELECT 'therapist', practice_id, therapist_id, first_id, current_id FROM {schema}.therapist_name
WHERE practice_id = ANY(%(practices)b::text[])
UNION ALL
SELECT 'client', practice_id, client_id, first_id, current_id FROM {schema}.client_name
WHERE (practice_id, first_id) IN (
    SELECT known.practice_id, known.first_id FROM {schema}.client_name known
    JOIN unnest(%(of)b::text[], %(clients)b::text[]) AS wanted (practice_id, client_id)
        USING (practice_id, client_id))
"""


class Name(NamedTuple):
    """Who is meant by a reference."""

    first: str
    """The reference that ids of dyads are made of."""
    current: str
    """The reference under which everything is stored."""


@dataclass(frozen=True, slots=True)
class Names:
    """Those who were renamed, by practice and any reference that they have or had."""

    therapists: Mapping[tuple[str, str], Name] = field(default_factory=dict)
    clients: Mapping[tuple[str, str], Name] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether anybody was renamed."""
        return bool(self.therapists or self.clients)

    def therapist(self, practice: str, therapist: str) -> Name:
        """Return who is meant by a therapist's reference."""
        return self.therapists.get((practice, therapist)) or Name(therapist, therapist)

    def client(self, practice: str, client: str) -> Name:
        """Return who is meant by a client's reference."""
        return self.clients.get((practice, client)) or Name(client, client)


class RenameRefusedError(ValueError):
    """Somebody cannot be renamed so; the message says why and what to do."""


class Rename(NamedTuple):
    """The reference that a practice has replaced, and the new one."""

    party: Party
    practice: str
    old: str
    new: str


async def read_names(conn: Connection, schema: str, dyads: Iterable[tuple[str, str]]) -> Names:
    """Return who was renamed of the practices and clients of these dyads (practice, client).

    Nobody is renamed until the transaction ends.
    """
    wanted = sorted(set(dyads))
    if not wanted:
        return Names()
    of, named = zip(*wanted, strict=True)
    values = {"practices": texts(sorted(set(of))), "of": texts(of), "clients": texts(named)}
    therapists: dict[tuple[str, str], Name] = {}
    clients: dict[tuple[str, str], Name] = {}
    rows = await conn.execute(_NAMES.format(schema=schema).encode(), values)
    for party, practice, one, first, current in await rows.fetchall():
        (clients if party == Party.CLIENT else therapists)[practice, one] = Name(first, current)
    return Names(therapists, clients)


async def current_name(conn: Connection, schema: str, party: Party, practice: str, name: str) -> str:
    """Return the reference under which everything about a therapist or a client is stored."""
    found = await conn.execute(
        f"SELECT current_id FROM {schema}.{party}_name WHERE practice_id = %s AND {party}_id = %s",
        (practice, name),
    )
    row = await found.fetchone()
    return name if row is None else str(row[0])


async def client_names(conn: Connection, schema: str, practice: str, client: str) -> set[str]:
    """Return every reference that a client has or had, this one included."""
    return {client, *(one for _, one in (await read_names(conn, schema, [(practice, client)])).clients)}


async def rename_in_tables(
    conn: Connection, schema: str, rename: Rename, now: datetime, merged: Collection[str] = ()
) -> dict[str, int]:
    """Rename somebody in every table with practices and such references; return the rows changed of each.

    Who has the new reference already is left alone. Transactions that have read the names are waited for, and
    new ones wait. `merged` names tables in which the new reference may have rows already; the caller has
    removed those of the old one that they replace.

    Raises:
        RenameRefusedError: the new reference belongs to somebody else, or the old one is not used any more.
    """
    party, practice, old, new = rename
    await lock_names(conn, schema, party)
    if await current_name(conn, schema, party, practice, old) == new:
        return {}
    first = await _check_names(conn, schema, rename)
    column = f"{party}_id"
    found = await (await conn.execute(_TABLES, (schema, list(NOT_RENAMED), column))).fetchall()
    tables = [table for table, has_practice in found if has_practice]
    await conn.execute(
        f"LOCK TABLE {', '.join(f'{schema}.{one}' for one in tables)} IN SHARE ROW EXCLUSIVE MODE"
    )
    taken = [
        table
        for table in tables
        if table not in merged and await _has_rows(conn, f"{schema}.{table}", column, practice, new)
    ]
    if taken:
        raise RenameRefusedError(
            f"{new} has rows of its own already ({', '.join(f'{schema}.{one}' for one in taken)}):"
            f" two {party}s cannot become one"
        )
    changed = {}
    for table in tables:
        done = await conn.execute(
            f"UPDATE {schema}.{table} SET {column} = %s WHERE practice_id = %s AND {column} = %s",
            (new, practice, old),
        )
        if done.rowcount:
            changed[f"{schema}.{table}"] = done.rowcount
    await _store_names(conn, schema, rename, first, now)
    return changed


async def lock_names(conn: Connection, schema: str, party: Party) -> None:
    """Wait for the transactions that have read the names; new ones wait until the open one ends."""
    await conn.execute(f"LOCK TABLE {schema}.{party}_name IN ACCESS EXCLUSIVE MODE")


async def renamed_at(
    conn: Connection, schema: str, party: Party, practice: str, name: str
) -> datetime | None:
    """Return when whoever has or had this reference was renamed last; None for never."""
    found = await conn.execute(
        f"SELECT renamed_at FROM {schema}.{party}_name WHERE practice_id = %s AND {party}_id = %s",
        (practice, name),
    )
    row: Any = await found.fetchone()
    return None if row is None else row[0]


async def _check_names(conn: Connection, schema: str, rename: Rename) -> str:
    """Return the first reference of whoever is renamed."""
    party, practice, old, new = rename
    known = await _name(conn, schema, party, practice, old)
    if known is not None and known.current != old:
        raise RenameRefusedError(f"{old} is called {known.current} already: name that one with --from")
    first = old if known is None else known.first
    other = await _name(conn, schema, party, practice, new)
    if other is not None and other.first != first:
        raise RenameRefusedError(
            f"{new} was the reference of a {party} who is now called {other.current}, and what names it is"
            " still read as theirs: choose another reference"
        )
    return first


async def _name(conn: Connection, schema: str, party: Party, practice: str, name: str) -> Name | None:
    found = await conn.execute(
        f"SELECT first_id, current_id FROM {schema}.{party}_name WHERE practice_id = %s AND {party}_id = %s",
        (practice, name),
    )
    row: Any = await found.fetchone()
    return None if row is None else Name(*row)


async def _has_rows(conn: Connection, table: str, column: str, practice: str, name: str) -> bool:
    found = await conn.execute(
        f"SELECT FROM {table} WHERE practice_id = %s AND {column} = %s LIMIT 1", (practice, name)
    )
    return await found.fetchone() is not None


async def _store_names(conn: Connection, schema: str, rename: Rename, first: str, now: datetime) -> None:
    party, practice, old, new = rename
    await conn.execute(
        f"UPDATE {schema}.{party}_name SET current_id = %s, renamed_at = %s"
        " WHERE practice_id = %s AND first_id = %s",
        (new, now, practice, first),
    )
    async with conn.cursor() as cursor:
        await cursor.executemany(
            f"INSERT INTO {schema}.{party}_name VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(practice, one, first, new, now) for one in (old, new)],
        )
