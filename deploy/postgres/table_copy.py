"""Gives a large table another layout while its rows are read and written: a copy takes its place.

1. A trigger writes every change of the table into the copy, too.
2. Rows are copied some pages at a time, each time in a short transaction of its own.
3. The copy's indexes are created while it is written.
4. One transaction gives all copies of a migration the names of their tables.

A slice that has to wait for a writer gives up at once and is repeated, so that writers wait for a slice no
longer than it takes. Whatever is interrupted begins again and finds what is copied.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from alembic import op
from psycopg.errors import DeadlockDetected, LockNotAvailable

from deploy.postgres.large_indexes import create_beside_writers
from deploy.postgres.plain_name import plain_name

PAGES_AT_ONCE = 32
_SLICE_WAITS = "100ms"
_SWITCH_WAITS = "300ms"
_PAUSE_S = 0.05
_SWITCH_ATTEMPTS = 200

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A table and the layout that its copy gets."""

    table: str
    """Its name with the schema."""
    layout: str
    """Columns and primary key, as they stand in CREATE TABLE, and what follows."""
    key: tuple[str, ...]
    """The columns of its present primary key."""
    new_key: tuple[str, ...]
    values: Mapping[str, str]
    """For each column of the copy its value, in SQL over a row `o` of the table."""
    indexes: Mapping[str, str]
    """The copy's further indexes by name, as SQL writes them after ON; `{table}` stands for its name."""
    unique: frozenset[str] = frozenset()
    """Those of them that are unique."""
    computed: "Computed | None" = None

    @property
    def copy(self) -> str:
        """The name of the copy, with the schema."""
        return f"{self.table}_next"


@dataclass(frozen=True, slots=True)
class Computed:
    """A column of bytes whose value Python computes for the rows that are copied; the trigger leaves it."""

    column: str
    of: tuple[str, ...]
    """The columns of the table that `compute` gets."""
    compute: Callable[..., bytes]


def copy_tables(schema: str, copies: Sequence[TableCopy]) -> None:
    """Copy these tables beside their writers, and let the copies take their places.

    Readers and writers who know only the layout before fail from then on.
    """
    plain_name(schema)
    with op.get_context().autocommit_block():
        bind = op.get_bind()
        raw: Connection = bind.connection.driver_connection  # type: ignore[assignment]
        for one in copies:
            _begin(raw, one)
            _copy_rows(raw, one)
    for one in copies:
        table = one.copy.partition(".")[2]
        for name, on in one.indexes.items():
            create_beside_writers(
                schema, f"{name}_next", on.format(table=table), is_unique=name in one.unique
            )
    with op.get_context().autocommit_block():
        raw = op.get_bind().connection.driver_connection  # type: ignore[assignment]
        for one in copies:
            raw.execute(f"ANALYZE {one.copy}".encode())
        patiently(raw, lambda: _switch(raw, copies))
        for one in copies:
            raw.execute(f"DROP TABLE IF EXISTS {one.table}_before".encode())


def _begin(conn: Connection, one: TableCopy) -> None:
    schema, _, name = one.table.partition(".")
    columns, values = ", ".join(one.values), ", ".join(one.values.values())
    key = ", ".join(one.new_key)
    same = " AND ".join(f"{column} = ({value})" for column, value in _key_values(one).items())
    changed = ", ".join(f"{c} = EXCLUDED.{c}" for c in one.values if c not in one.new_key)

    without_autovacuum(conn, one.table)

    def work() -> None:
        if conn.execute("SELECT to_regclass(%s)", (one.copy,)).fetchone() == (None,):
            conn.execute(f"CREATE TABLE {one.copy} {one.layout}".encode())
            conn.execute(f"ALTER TABLE {one.copy} SET (autovacuum_enabled = off)".encode())
            # Now, because nobody uses it yet: no writer waits for these locks.
            give_rights(conn, one.table, one.copy)
        conn.execute(
            f"""
            CREATE OR REPLACE FUNCTION {schema}.write_{name}_next() RETURNS trigger
            LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            DECLARE o {one.table};
            BEGIN
                IF TG_OP = 'DELETE' THEN
                    o := OLD;
                    DELETE FROM {one.copy} WHERE {same};
                    RETURN NULL;
                END IF;
                o := NEW;
                INSERT INTO {one.copy} ({columns}) VALUES ({values})
                ON CONFLICT ({key}) DO UPDATE SET {changed};
                RETURN NULL;
            END $$;
            CREATE OR REPLACE TRIGGER write_next AFTER INSERT OR UPDATE OR DELETE ON {one.table}
            FOR EACH ROW EXECUTE FUNCTION {schema}.write_{name}_next();
            """.encode()
        )

    patiently(conn, work)


def _key_values(one: TableCopy) -> dict[str, str]:
    return {column: one.values[column] for column in one.new_key}


def _copy_rows(conn: Connection, one: TableCopy) -> None:
    """Copy the pages that the table has now; what is written from now on, the trigger copies.

    A slice is some pages and not a range of the key: for such a range, PostgreSQL may read the whole table.
    """
    while True:
        file, pages = _file_of(conn, one.table)
        for first in range(0, pages, PAGES_AT_ONCE):

            def work(first: int = first) -> None:
                _copy_pages(conn, one, first)

            patiently(conn, work, lock_timeout=_SLICE_WAITS, attempts=None)
        if _file_of(conn, one.table)[0] == file:
            return
        # Somebody wrote the table anew meanwhile (VACUUM FULL, CLUSTER): its rows are on other pages now.


def _file_of(conn: Connection, table: str) -> tuple[int, int]:
    """Return the number of the table's file, and how many pages it has."""
    found = conn.execute(
        "SELECT pg_relation_filenode(%(table)s::regclass)::bigint,"
        " pg_relation_size(%(table)s::regclass) / current_setting('block_size')::bigint",
        {"table": table},
    ).fetchone()
    assert found is not None  # noqa: S101 - a SELECT without FROM has one row
    return int(found[0]), int(found[1])


def _copy_pages(conn: Connection, one: TableCopy, first: int) -> None:
    """Copy the rows of some pages; those that a writer has changed are in the copy already."""
    within = "o.ctid >= %s::tid AND o.ctid < %s::tid"
    bounds = f"({first},0)", f"({first + PAGES_AT_ONCE},0)"
    values, source = dict(one.values), f"{one.table} o"
    parameters: tuple[object, ...] = bounds
    if one.computed is not None:
        key = ", ".join(f"o.{column}" for column in one.key)
        wanted = ", ".join(f"o.{column}" for column in one.computed.of)
        rows = conn.execute(
            f"SELECT {key}, {wanted} FROM {one.table} o WHERE {within} FOR KEY SHARE".encode(), bounds
        ).fetchall()
        width = len(one.key)
        keys = list(zip(*(row[:width] for row in rows), strict=True)) or [()] * width
        done = [one.computed.compute(*row[width:]) for row in rows]
        types = ", ".join(f"%s::{_type(conn, one, column)}[]" for column in one.key)
        names = ", ".join(f"k{n}" for n in range(width))
        joined = " AND ".join(f"o.{column} = c.k{n}" for n, column in enumerate(one.key))
        source += f" JOIN unnest({types}, %s::bytea[]) AS c ({names}, computed) ON {joined}"
        values[one.computed.column] = "c.computed"
        parameters = (*(list(column) for column in keys), done, *bounds)
    conn.execute(
        f"INSERT INTO {one.copy} ({', '.join(values)}) SELECT {', '.join(values.values())}"
        f" FROM {source} WHERE {within} FOR KEY SHARE OF o ON CONFLICT DO NOTHING".encode(),
        parameters,
    )


def _type(conn: Connection, one: TableCopy, column: str) -> str:
    row = conn.execute(
        "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
        (one.table, column),
    ).fetchone()
    assert row is not None  # noqa: S101 - a column of the primary key exists
    return str(row[0])


def _switch(conn: Connection, copies: Sequence[TableCopy]) -> None:
    """Let every copy take the place of its table."""
    conn.execute(f"LOCK TABLE {', '.join(one.table for one in copies)} IN ACCESS EXCLUSIVE MODE".encode())
    for one in copies:
        schema, _, name = one.table.partition(".")
        conn.execute(f"DROP TRIGGER write_next ON {one.table}".encode())
        conn.execute(f"DROP FUNCTION {schema}.write_{name}_next()".encode())
        conn.execute(f"ALTER TABLE {one.copy} RESET (autovacuum_enabled)".encode())
        for index in (f"{name}_pkey", *one.indexes):
            conn.execute(f"ALTER INDEX IF EXISTS {schema}.{index} RENAME TO {index}_before".encode())
            new = f"{name}_next_pkey" if index == f"{name}_pkey" else f"{index}_next"
            conn.execute(f"ALTER INDEX {schema}.{new} RENAME TO {index}".encode())
        conn.execute(f"ALTER TABLE {one.table} RENAME TO {name}_before".encode())
        conn.execute(f"ALTER TABLE {one.copy} RENAME TO {name}".encode())


def give_rights(conn: Connection, table: str, to: str) -> None:
    """Give another table exactly the rights that a table has, and its policies."""
    # Privileges by default gave it others.
    for (role,) in conn.execute(
        "SELECT DISTINCT grantee::regrole::text FROM pg_class, aclexplode(relacl)"
        " WHERE oid = %s::regclass AND grantee NOT IN (0, relowner)",
        (to,),
    ).fetchall():
        conn.execute(f"REVOKE ALL ON {to} FROM {role}".encode())
    granted = conn.execute(
        "SELECT privilege_type, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END"
        " FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner",
        (table,),
    ).fetchall()
    for right, role in granted:
        conn.execute(f"GRANT {right} ON {to} TO {role}".encode())
    policies = conn.execute(
        "SELECT policyname, permissive, cmd, array_to_string(roles, ', '), qual, with_check FROM pg_policies"
        " WHERE schemaname = %s AND tablename = %s",
        table.split("."),
    ).fetchall()
    if policies:
        conn.execute(f"ALTER TABLE {to} ENABLE ROW LEVEL SECURITY".encode())
    for policy, permissive, command, roles, using, check in policies:
        conn.execute(
            f"CREATE POLICY {policy} ON {to} AS {permissive} FOR {command} TO {roles}"
            f" USING ({using})".encode()
            + (b"" if check is None else f" WITH CHECK ({check})".encode())
        )


def without_autovacuum(conn: Connection, table: str) -> None:
    """Let autovacuum leave a table alone: it gives way only to who waits a second, and nobody shall.

    This waits for it, and holds up no reader or writer.
    """
    conn.execute("SET lock_timeout = 0")
    try:
        conn.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)".encode())
    finally:
        conn.execute("RESET lock_timeout")


def patiently(
    conn: Connection,
    work: Callable[[], None],
    *,
    lock_timeout: str = _SWITCH_WAITS,
    attempts: int | None = _SWITCH_ATTEMPTS,
) -> None:
    """Run `work` in a transaction that waits only so long for a lock, until it got all of them."""
    tried = 0
    while True:
        try:
            with conn.transaction():
                conn.execute(f"SET LOCAL lock_timeout = '{lock_timeout}'".encode())
                work()
        except (LockNotAvailable, DeadlockDetected):
            tried += 1
            if tried == attempts:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
