"""Stores the final bytes of records to publish, in the transaction of the work that led to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.outbox_floor import OutboxFloor
from services.runtime.postgres import arrays
from services.runtime.postgres.connect import Connection

_ROWS_PER_READ = 2_000


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """The records that one transaction wrote, under the number of their rows."""

    number: int
    outgoing: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row that an earlier owner of its partition, or another process, left behind."""

    batch: int
    seq: int
    outgoing: Outgoing


@lru_cache(maxsize=256)
def _pack(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    return msgspec.msgpack.encode(headers)


@lru_cache(maxsize=256)
def _unpack(packed: bytes) -> tuple[tuple[str, bytes], ...]:
    return msgspec.msgpack.decode(packed, type=tuple[tuple[str, bytes], ...])


class Outbox:
    """One service's outbox table."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self.floor = OutboxFloor(schema)

    async def write(self, connection: Connection, outgoing: Sequence[Outgoing]) -> OutboxBatch | None:
        """Store records in order in the open transaction; return None when there are none."""
        if not outgoing:
            return None
        cursor = await connection.execute(f"SELECT nextval('{self._schema}.outbox_batch')")
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - nextval() always answers
        number: int = row[0]
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.outbox (batch, seq, topic, partition, key, value, headers)
            SELECT %s, seq, topic, nullif(partition, -1), key, value, headers
            FROM unnest(%b::int4[], %b::text[], %b::int4[], %b::bytea[], %b::bytea[], %b::bytea[])
                AS row (seq, topic, partition, key, value, headers)
            """,
            (
                number,
                arrays.ints(range(len(outgoing))),
                arrays.texts(out.topic for out in outgoing),
                arrays.ints(-1 if out.partition is None else out.partition for out in outgoing),
                arrays.byteas(out.key for out in outgoing),
                arrays.byteas(out.value for out in outgoing),
                arrays.byteas(_pack(tuple(out.headers)) for out in outgoing),
            ),
        )
        return OutboxBatch(number, tuple(outgoing))

    async def delete_batches(self, connection: Connection, batches: Sequence[int]) -> None:
        """Delete every row of these transactions."""
        if batches:
            await connection.execute(
                f"DELETE FROM {self._schema}.outbox WHERE batch = ANY(%s)", (list(batches),)
            )

    async def delete_rows(self, connection: Connection, rows: Sequence[OutboxRow]) -> None:
        """Delete exactly these rows: others of the same transactions may wait for another process."""
        await connection.execute(
            f"""
            DELETE FROM {self._schema}.outbox AS stored
            USING unnest(%b::int8[], %b::int4[]) AS gone (batch, seq)
            WHERE stored.batch = gone.batch AND stored.seq = gone.seq
            """,
            ([row.batch for row in rows], [row.seq for row in rows]),
        )

    async def count(self, connection: Connection) -> int:
        """Return the number of rows."""
        floor = await self.floor.read(connection)
        # PostgreSQL would expect a third of the deleted rows in the index, and read the whole table.
        await connection.execute("SET LOCAL enable_seqscan = off")
        rows = await connection.execute(
            f"SELECT count(*) FROM {self._schema}.outbox WHERE batch >= %s", (floor,)
        )
        row = await rows.fetchone()
        assert row is not None  # noqa: S101 - count() always answers
        number: int = row[0]
        return number

    async def read_partitions(
        self, connection: Connection, partitions: Sequence[int], after: tuple[int, int] | None = None
    ) -> list[OutboxRow]:
        """Read the oldest rows after (batch, seq), or of all, that go to these partitions, 2,000 at most."""
        return await self._read(connection, "partition = ANY(%s)", (list(partitions),), "", after)

    async def lock_abandoned(
        self, connection: Connection, older_than_s: float, *, except_batches: Sequence[int]
    ) -> list[OutboxRow]:
        """Read and lock the oldest rows that waited so long that their writer must have ended, 2,000 at most.

        They are locked until the transaction ends. Only one process at a time gets any, so two never publish
        them in different orders. A row that is locked already is being deleted, so it was published.
        """
        cursor = await connection.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext(%s))", (f"{self._schema}.outbox",)
        )
        row = await cursor.fetchone()
        if row is None or not row[0]:
            return []
        return await self._read(
            connection,
            "written_at < clock_timestamp() - make_interval(secs => %s) AND NOT batch = ANY(%s)",
            (older_than_s, list(except_batches)),
            "FOR UPDATE SKIP LOCKED",
        )

    async def _read(
        self,
        connection: Connection,
        where: str,
        values: tuple[object, ...],
        locking: str,
        after: tuple[int, int] | None = None,
    ) -> list[OutboxRow]:
        cursor = await connection.execute(
            f"""
            SELECT batch, seq, topic, partition, key, value, headers
            FROM {self._schema}.outbox WHERE (batch, seq) > (%s, %s) AND {where}
            ORDER BY batch, seq LIMIT {_ROWS_PER_READ} {locking}
            """,
            (*(after or (await self.floor.read(connection), -1)), *values),
            binary=True,
        )
        return [
            OutboxRow(
                batch, seq, Outgoing(topic, bytes(key), bytes(value), partition, _unpack(bytes(headers)))
            )
            async for batch, seq, topic, partition, key, value, headers in cursor
        ]
