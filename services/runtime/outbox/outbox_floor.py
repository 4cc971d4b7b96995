"""Keeps where the rows of an outbox begin, so that its readers pass by what was deleted below.

PostgreSQL keeps deleted rows and their index entries while any snapshot is older, such as that of a dump, and
whoever reads from the beginning reads all of them.
"""

from dataclasses import dataclass

from services.runtime.postgres.connect import Connection

# Whoever draws a number keeps this lock until its transaction has ended.
_WRITERS = """
SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND relation = %s::regclass
"""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The newest number that was drawn at a moment, and the transactions that had drawn one and were open."""

    number: int
    server: tuple[object, ...]
    """Which sequence of which server: after a restore, or on another server, numbers may be drawn again."""
    writers: frozenset[str]


class OutboxFloor:
    """One service's table `outbox_floor`: no row of the outbox has a lower number, nor will one ever."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._sequence = f"{schema}.outbox_batch"
        self._before: _Drawn | None = None
        """What an earlier call saw."""

    async def read(self, connection: Connection) -> int:
        """Return the lowest number that a row may have."""
        rows = await connection.execute(f"SELECT max(batch) FROM {self._schema}.outbox_floor")
        row = await rows.fetchone()
        return 0 if row is None or row[0] is None else int(row[0])

    async def raise_(self, connection: Connection) -> None:
        """Raise the floor to the lowest row, or past all numbers that were drawn before an earlier call.

        The open transaction must be READ COMMITTED, so that each statement sees what was committed before.
        """
        before, now = self._before, await self._drawn(connection)
        if before is None or before.server != now.server:
            self._before = now
            return
        if before.writers & now.writers:
            return  # one of them may still store rows with a lower number
        rows = await connection.execute(
            f"SELECT batch FROM {self._schema}.outbox WHERE batch BETWEEN %s AND %s ORDER BY batch LIMIT 1",
            (await self.read(connection), before.number),
        )
        lowest = await rows.fetchone()
        await connection.execute(
            f"UPDATE {self._schema}.outbox_floor SET batch = %(new)s WHERE batch < %(new)s",
            {"new": before.number + 1 if lowest is None else lowest[0]},
        )
        self._before = now

    async def _drawn(self, connection: Connection) -> _Drawn:
        # Before the first number is drawn, it stands there already.
        rows = await connection.execute(
            "SELECT last_value - (NOT is_called)::int, %s::regclass::oid, pg_postmaster_start_time()"
            f" FROM {self._sequence}",
            (self._sequence,),
        )
        ((number, *server),) = await rows.fetchall()
        # Only now: whoever has drawn this number or a lower one holds the lock, or has ended.
        rows = await connection.execute(_WRITERS, (self._sequence,))
        return _Drawn(number, tuple(server), frozenset(row[0] for row in await rows.fetchall()))
