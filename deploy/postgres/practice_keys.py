"""Lets unique and foreign keys name the practice, while their tables are read and written.

Tables are distributed over several servers by practice only if every such key contains it. Each function may
be repeated after an attempt that was cut off.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from alembic import op

from deploy.postgres.large_indexes import create_beside_writers
from deploy.postgres.table_copy import patiently, without_autovacuum

Connection = psycopg.Connection[Any]
T = TypeVar("T")


def add_key(table: str, name: str, columns: str) -> None:
    """Add a unique index beside the key that the version before names in ON CONFLICT, or reads by.

    `table` names its schema; `columns` are written as SQL writes them.
    """
    schema, _, plain = table.partition(".")
    if not _beside(lambda conn: _holds(conn, _IS_VALID, f"{schema}.{name}")):
        create_beside_writers(schema, name, f"{plain} ({columns})", is_unique=True)


def replace_key(table: str, constraint: str, columns: str, *, kind: str = "PRIMARY KEY") -> None:
    """Give a primary key, or another unique one, other columns; none of a primary key may be null."""
    if _beside(lambda conn: _holds(conn, _IS_DEFINED, table, constraint, f"{kind} ({columns})")):
        return
    add_key(table, f"{constraint}_next", columns)

    def switch(conn: Connection) -> None:
        _alter(
            conn,
            table,
            f"DROP CONSTRAINT {constraint}",
            f"ADD CONSTRAINT {constraint} {kind} USING INDEX {constraint}_next",
        )

    _beside(lambda conn: _with_locks(conn, [table], lambda: switch(conn)))


def replace_key_of_parts(table: str, constraint: str, columns: str) -> None:
    """Give the primary key of a table that is divided, and of its parts, other columns."""
    if _beside(lambda conn: _holds(conn, _IS_DEFINED, table, constraint, f"PRIMARY KEY ({columns})")):
        return
    parts = _beside(lambda conn: [str(part) for (part,) in conn.execute(_PARTS, (table,)).fetchall()])
    for part in parts:
        add_key(part, f"{part.partition('.')[2]}_pkey_next", columns)

    def switch(conn: Connection) -> None:
        _alter(conn, table, f"DROP CONSTRAINT {constraint}")
        for part in parts:
            name = f"{part.partition('.')[2]}_pkey"
            _alter(conn, part, f"ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}_next")
        # It takes the keys of the parts for its own, and makes that of a part that was added meanwhile.
        _alter(conn, table, f"ADD CONSTRAINT {constraint} PRIMARY KEY ({columns})")

    _beside(lambda conn: _with_locks(conn, [table, *parts], lambda: switch(conn)))


def replace_foreign_key(table: str, constraint: str, columns: str, *, owner: str, then: str = "") -> None:
    """Let a foreign key name these columns of `owner`, which are unique there; `then` says ON DELETE.

    Rows that are there are looked through beside their writers.
    """
    wanted = f"FOREIGN KEY ({columns}) REFERENCES {owner}({columns}) {then}".strip()

    def replace(conn: Connection) -> None:
        if _holds(conn, _IS_DEFINED, table, constraint, wanted):
            return
        both = [table, owner]
        new = f"{constraint}_next"
        add = (f"DROP CONSTRAINT IF EXISTS {new}", f"ADD CONSTRAINT {new} {wanted} NOT VALID")
        _with_locks(conn, both, lambda: _alter(conn, table, *add))
        validate(conn, table, new)

        def switch() -> None:
            _alter(conn, table, f"DROP CONSTRAINT {constraint}")
            _alter(conn, table, f"RENAME CONSTRAINT {new} TO {constraint}")

        _with_locks(conn, both, switch)

    _beside(replace)


def require(table: str, column: str) -> None:
    """Let a column refuse null; rows that are there are looked through beside their writers."""

    def work(conn: Connection) -> None:
        check = f"{column}_is_given"
        add = (
            f"DROP CONSTRAINT IF EXISTS {check}",
            f"ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
        )
        _with_locks(conn, [table], lambda: _alter(conn, table, *add))
        validate(conn, table, check)
        done = (f"ALTER {column} SET NOT NULL", f"DROP CONSTRAINT {check}")
        _with_locks(conn, [table], lambda: _alter(conn, table, *done))

    _beside(work)


def fill(table: str, key: str, values: str) -> None:
    """Fill what rows lack, in slices of their key, each in a short transaction of its own.

    `values` is an UPDATE of the rows whose `key` is in the array `%(keys)s`.
    """

    def work(conn: Connection) -> None:
        last: object = None
        while True:
            # One condition, without OR: every slice begins in the index where the one before ended.
            after = "" if last is None else f"WHERE {key} > %(last)s"
            rows = conn.execute(
                f"SELECT {key} FROM {table} {after} ORDER BY {key} LIMIT {_ROWS_AT_ONCE}".encode(),
                {"last": last},
            ).fetchall()
            if not rows:
                return
            keys = [one for (one,) in rows]

            def of_slice(keys: Sequence[object] = keys) -> None:
                conn.execute(values.encode(), {"keys": keys})

            patiently(conn, of_slice, lock_timeout=_SLICE_WAITS, attempts=None)
            last = keys[-1]

    _beside(work)


def validate(conn: Connection, table: str, constraint: str) -> None:
    """Look through the rows of a table for a constraint; readers and writers go on."""
    conn.execute("SET lock_timeout = 0")
    try:
        conn.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}".encode())
    finally:
        conn.execute("RESET lock_timeout")


_ROWS_AT_ONCE = 500
_SLICE_WAITS = "100ms"
_IS_VALID = "SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND indisvalid"
_IS_DEFINED = """
SELECT FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s AND pg_get_constraintdef(oid) = %s
"""
_PARTS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"


def _beside(work: Callable[[Connection], T]) -> T:
    with op.get_context().autocommit_block():
        return work(op.get_bind().connection.driver_connection)  # type: ignore[arg-type]


def _holds(conn: Connection, query: str, *values: str) -> bool:
    return conn.execute(query.encode(), values).fetchone() is not None


def _with_locks(conn: Connection, tables: Sequence[str], work: Callable[[], None]) -> None:
    """Run `work` in a transaction once it got its locks; autovacuum is kept away from them until then."""
    parts = [one for one in tables if not _holds(conn, _IS_DIVIDED, one)]
    for table in parts:
        without_autovacuum(conn, table)

    def all_of_it() -> None:
        work()
        for table in parts:
            _alter(conn, table, "RESET (autovacuum_enabled)")

    patiently(conn, all_of_it)


_IS_DIVIDED = "SELECT FROM pg_class WHERE oid = %s::regclass AND relkind = 'p'"


def _alter(conn: Connection, table: str, *changes: str) -> None:
    conn.execute(f"ALTER TABLE {table} {', '.join(changes)}".encode())
