"""Stores how far each partition has been applied, which epoch may apply it, and in which Kafka cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zlib import crc32

import psycopg

from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Fault, Halt


class PartitionsFenced(Fault):
    """Another process became the owner of some of our partitions: leave them alone."""

    def __init__(self, partitions: Sequence[TopicPartition]) -> None:
        super().__init__(f"another process took over {_listed(partitions)}; this one leaves them alone")
        self.partitions = tuple(partitions)


class DatabaseWentBack(psycopg.OperationalError):
    """PostgreSQL holds other positions than those that it stored last: it was restored while this ran."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies a record at its offset: two records with the same one are the same record."""

    timestamp_ms: int
    crc: int

    @classmethod
    def of(cls, record: Record) -> "Fingerprint":
        """Return the fingerprint of a record: its timestamp, and a CRC-32 over key and value."""
        return cls(record.timestamp_ms, crc32(record.value or b"", crc32(record.key or b"")))


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a partition has been applied."""

    next_offset: int
    last: Fingerprint | None = None
    """The record at `next_offset - 1`; None when it is not known."""


class OffsetRange(NamedTuple):
    """Records of one partition, from an offset up to the one before `next_offset`."""

    topic: str
    partition: int
    from_offset: int
    next_offset: int


class PositionStore:
    """One service's tables `cluster`, `epoch` and `applied`."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def check_cluster(self, connection: Connection, cluster_id: str, *, adopt: bool) -> str | None:
        """Compare the connected cluster with the one that the stored positions belong to.

        Returns the id of the cluster that was replaced because `adopt` is set, else None.

        Raises:
            Halt: it is another one, and `adopt` is not set.
        """
        cursor = await connection.execute(f"SELECT cluster_id FROM {self._schema}.cluster FOR UPDATE")
        row = await cursor.fetchone()
        if row is not None and row[0] == cluster_id:
            return None
        if row is not None and not adopt:
            raise Halt(
                f"the positions belong to the Kafka cluster {row[0]}, and this is {cluster_id}: check "
                "KAFKA_BOOTSTRAP_SERVERS; if the change is intended, run `rapport topics adopt-cluster`"
            )
        await adopt_cluster(connection, self._schema, cluster_id)
        return None if row is None else str(row[0])

    async def raise_epochs(
        self, connection: Connection, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Become the owner of these partitions, after the open transaction of an earlier owner has ended.

        Returns their new epochs.
        """
        cursor = await connection.execute(
            f"""
            INSERT INTO {self._schema}.epoch AS known (topic, partition, epoch)
            SELECT topic, partition, 1 FROM unnest(%s::text[], %s::int4[]) AS new (topic, partition)
            ORDER BY topic, partition
            ON CONFLICT (topic, partition) DO UPDATE SET epoch = known.epoch + 1
            RETURNING topic, partition, epoch
            """,
            _columns(partitions),
        )
        return {(topic, partition): epoch async for topic, partition, epoch in cursor}

    async def check_epochs(
        self,
        connection: Connection,
        cluster_id: str,
        epochs: Mapping[TopicPartition, int],
        applied: Mapping[TopicPartition, int | None],
    ) -> None:
        """Check that we still own these partitions, and make new owners wait until the transaction ends.

        `applied` holds what was read or stored last of each: the next offset, None for no row.

        Raises:
            PartitionsFenced: another process became the owner of one of them.
            DatabaseWentBack: another offset is stored.
        """
        partitions = sorted(epochs)
        cursor = await connection.execute(
            f"""
            SELECT e.topic, e.partition, e.epoch, a.next_offset
            FROM {self._schema}.epoch e LEFT JOIN {self._schema}.applied a
                ON a.cluster_id = %s AND a.topic = e.topic AND a.partition = e.partition
            WHERE (e.topic, e.partition) IN (SELECT * FROM unnest(%s::text[], %s::int4[]))
            ORDER BY e.topic, e.partition FOR SHARE OF e
            """,
            (cluster_id, *_columns(partitions)),
        )
        stored = {(topic, partition): (epoch, offset) async for topic, partition, epoch, offset in cursor}
        lost = [one for one in partitions if stored.get(one, (None, None))[0] != epochs[one]]
        if lost:
            raise PartitionsFenced(lost)
        back = [one for one, offset in sorted(applied.items()) if stored[one][1] != offset]
        if back:
            raise DatabaseWentBack(f"PostgreSQL went back in {_listed(back)}: positions are read again")

    async def applied(
        self, connection: Connection, cluster_id: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, Applied]:
        """Return how far each of these partitions has been applied, for those that have been read."""
        cursor = await connection.execute(
            f"""
            SELECT topic, partition, next_offset, last_timestamp_ms, last_crc FROM {self._schema}.applied
            WHERE cluster_id = %s AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int4[]))
            """,
            (cluster_id, *_columns(partitions)),
        )
        return {
            (topic, partition): Applied(offset, None if crc is None else Fingerprint(timestamp, crc))
            async for topic, partition, offset, timestamp, crc in cursor
        }

    async def advance(
        self, connection: Connection, cluster_id: str, last_records: Mapping[TopicPartition, Record]
    ) -> None:
        """Store, per partition, the last record applied in the open transaction and the offset after it."""
        partitions = sorted(last_records)
        last = [last_records[partition] for partition in partitions]
        prints = [Fingerprint.of(record) for record in last]
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.applied
                (cluster_id, topic, partition, next_offset, last_timestamp_ms, last_crc)
            SELECT %s, * FROM unnest(%s::text[], %s::int4[], %s::int8[], %s::int8[], %s::int8[])
            ON CONFLICT (cluster_id, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset,
                last_timestamp_ms = EXCLUDED.last_timestamp_ms, last_crc = EXCLUDED.last_crc
            """,
            (
                cluster_id,
                *_columns(partitions),
                [record.offset + 1 for record in last],
                [found.timestamp_ms for found in prints],
                [found.crc for found in prints],
            ),
        )

    async def move(
        self,
        connection: Connection,
        cluster_id: str,
        partition: TopicPartition,
        next_offset: int,
        last: Fingerprint | None,
    ) -> None:
        """Set where a partition is read on, and the record before it; None when there is none."""
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.applied
                (cluster_id, topic, partition, next_offset, last_timestamp_ms, last_crc)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (cluster_id, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset,
                last_timestamp_ms = EXCLUDED.last_timestamp_ms, last_crc = EXCLUDED.last_crc
            """,
            (
                cluster_id,
                *partition,
                next_offset,
                None if last is None else last.timestamp_ms,
                None if last is None else last.crc,
            ),
        )

    async def note_unaccounted(
        self, connection: Connection, cluster_id: str, ranges: Sequence[OffsetRange]
    ) -> None:
        """Store which records have no outcome; the same range, read again, is stored once."""
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.unaccounted (cluster_id, topic, partition, from_offset, next_offset)
            SELECT %s, * FROM unnest(%s::text[], %s::int4[], %s::int8[], %s::int8[])
            ON CONFLICT (cluster_id, topic, partition, from_offset) DO NOTHING
            """,
            (cluster_id, *([getattr(one, name) for one in ranges] for name in OffsetRange._fields)),
        )

    async def unaccounted(
        self, connection: Connection, cluster_id: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return the number of records without an outcome of each of these partitions that has any."""
        cursor = await connection.execute(
            f"""
            SELECT topic, partition, sum(next_offset - from_offset)::int8 FROM {self._schema}.unaccounted
            WHERE cluster_id = %s AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int4[]))
            GROUP BY 1, 2
            """,
            (cluster_id, *_columns(partitions)),
        )
        return {(topic, partition): count async for topic, partition, count in cursor}

    async def all_unaccounted(self, connection: Connection) -> int:
        """Return the number of records without an outcome, of all clusters and partitions."""
        cursor = await connection.execute(
            f"SELECT coalesce(sum(next_offset - from_offset), 0)::int8 FROM {self._schema}.unaccounted"
        )
        ((number,),) = await cursor.fetchall()
        return int(number)

    async def published(
        self, connection: Connection, cluster_id: str, topics: Sequence[str]
    ) -> dict[TopicPartition, int]:
        """Return how far the logs of these topics, which this service writes, are known."""
        cursor = await connection.execute(
            f"""
            SELECT topic, partition, next_offset FROM {self._schema}.published
            WHERE cluster_id = %s AND topic = ANY(%s)
            """,
            (cluster_id, list(topics)),
        )
        return {(topic, partition): offset async for topic, partition, offset in cursor}

    async def note_published(
        self, connection: Connection, cluster_id: str, ends: Mapping[TopicPartition, int]
    ) -> None:
        """Store that these logs are known up to these offsets."""
        partitions = sorted(ends)
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.published (cluster_id, topic, partition, next_offset)
            SELECT %s, * FROM unnest(%s::text[], %s::int4[], %s::int8[])
            ON CONFLICT (cluster_id, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset
            """,
            (cluster_id, *_columns(partitions), [ends[one] for one in partitions]),
        )


async def adopt_cluster(connection: Connection, schema: str, cluster_id: str) -> None:
    """Continue with this Kafka cluster and its logs as they are now, from their beginnings.

    Positions stored for this cluster are deleted. Records that are applied again have no second effect,
    because effects are identified by their ids.
    """
    await connection.execute(
        f"""
        INSERT INTO {schema}.cluster (cluster_id) VALUES (%s)
        ON CONFLICT (only_row) DO UPDATE SET cluster_id = EXCLUDED.cluster_id, adopted_at = now()
        """,
        (cluster_id,),
    )
    await connection.execute(f"DELETE FROM {schema}.applied WHERE cluster_id = %s", (cluster_id,))


def _columns(partitions: Sequence[TopicPartition]) -> tuple[list[str], list[int]]:
    return [topic for topic, _ in partitions], [number for _, number in partitions]


def _listed(partitions: Sequence[TopicPartition]) -> str:
    return ", ".join(f"{topic}/{number}" for topic, number in partitions)


def missing_before(records: Sequence[Record], applied: Mapping[TopicPartition, int]) -> list[OffsetRange]:
    """Return what the log lacks between the applied offsets and each of these records, in order."""
    expected = dict(applied)
    missing = []
    for record in records:
        partition = record.topic, record.partition
        first, expected[partition] = expected[partition], record.offset + 1
        if record.offset > first:
            missing.append(OffsetRange(*partition, first, record.offset))
    return missing
