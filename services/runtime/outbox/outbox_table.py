"""The outbox: the final bytes of what is to be published, stored with the work that led to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.runtime.kafka.record import Outgoing
from services.runtime.postgres import arrays

_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """What one transaction wrote, under its number."""

    batch: int
    outgoing: tuple[Outgoing, ...]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row that another owner of its partition, or another process, left behind."""

    batch: int
    seq: int
    out: Outgoing


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

    async def write(
        self, conn: AsyncConnection[TupleRow], outgoing: Sequence[Outgoing]
    ) -> OutboxBatch | None:
        """Store what is to be published, in order, in the open transaction; None when that is nothing."""
        if not outgoing:
            return None
        cursor = await conn.execute(f"SELECT nextval('{self._schema}.outbox_batch')")
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101 - nextval() always answers
        batch: int = row[0]
        await conn.execute(
            f"""
            INSERT INTO {self._schema}.outbox (batch, seq, topic, partition, key, value, headers)
            SELECT %s, seq, topic, nullif(partition, -1), key, value, headers
            FROM unnest(%b::int4[], %b::text[], %b::int4[], %b::bytea[], %b::bytea[], %b::bytea[])
                AS row (seq, topic, partition, key, value, headers)
            """,
            (
                batch,
                arrays.ints(range(len(outgoing))),
                arrays.texts(out.topic for out in outgoing),
                arrays.ints(-1 if out.partition is None else out.partition for out in outgoing),
                arrays.byteas(out.key for out in outgoing),
                arrays.byteas(out.value for out in outgoing),
                arrays.byteas(_pack(tuple(out.headers)) for out in outgoing),
            ),
        )
        return OutboxBatch(batch, tuple(outgoing))

    async def delete(self, conn: AsyncConnection[TupleRow], batches: Sequence[int]) -> None:
        """Delete all that these transactions wrote."""
        if batches:
            await conn.execute(f"DELETE FROM {self._schema}.outbox WHERE batch = ANY(%s)", (list(batches),))

    async def delete_rows(self, conn: AsyncConnection[TupleRow], rows: Sequence[OutboxRow]) -> None:
        """Delete exactly these rows: others of the same transactions may wait for another process."""
        await conn.execute(
            f"""
            DELETE FROM {self._schema}.outbox AS stored
            USING unnest(%b::int8[], %b::int4[]) AS gone (batch, seq)
            WHERE stored.batch = gone.batch AND stored.seq = gone.seq
            """,
            ([row.batch for row in rows], [row.seq for row in rows]),
        )

    async def of_partitions(
        self, conn: AsyncConnection[TupleRow], partitions: Sequence[int], after: tuple[int, int] = (0, -1)
    ) -> list[OutboxRow]:
        """The oldest rows later than `after` that go to these partitions; empty when there are no more."""
        return await self._read(
            conn, "partition = ANY(%s) AND (batch, seq) > (%s, %s)", (list(partitions), *after), ""
        )

    async def left_behind(
        self, conn: AsyncConnection[TupleRow], older_than_s: float, *, except_batches: Sequence[int]
    ) -> list[OutboxRow]:
        """The oldest rows that no one published for so long that whoever wrote them must have ended.

        They are locked until the transaction ends. Only one process at a time gets any, so two never publish
        them in different orders; a row that is locked already is being deleted, so it was published.
        """
        cursor = await conn.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext(%s))", (f"{self._schema}.outbox",)
        )
        row = await cursor.fetchone()
        if row is None or not row[0]:
            return []
        return await self._read(
            conn,
            "written_at < clock_timestamp() - make_interval(secs => %s) AND NOT batch = ANY(%s)",
            (older_than_s, list(except_batches)),
            "FOR UPDATE SKIP LOCKED",
        )

    async def _read(
        self, conn: AsyncConnection[TupleRow], where: str, values: tuple[object, ...], locking: str
    ) -> list[OutboxRow]:
        cursor = await conn.execute(
            f"""
            SELECT batch, seq, topic, partition, key, value, headers
            FROM {self._schema}.outbox WHERE {where} ORDER BY batch, seq LIMIT {_CHUNK} {locking}
            """,
            values,
            binary=True,
        )
        return [
            OutboxRow(
                batch, seq, Outgoing(topic, bytes(key), bytes(value), partition, _unpack(bytes(headers)))
            )
            async for batch, seq, topic, partition, key, value, headers in cursor
        ]
