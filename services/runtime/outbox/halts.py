"""Stores which partitions are halted, and why, until the repair command deletes their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.runtime.kafka.record import TopicPartition
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Halt

REPAIR = "run `rapport halts list`, then `rapport halts repair`"


class HaltReason(StrEnum):
    """Why a partition is not read any more."""

    LOG_DIFFERS = "log-differs"
    """The log holds another record where the last applied one was: it lost its end and was written on."""
    LOG_SHORTER = "log-shorter"
    """The log ends before the last applied record."""
    LOG_DELETED = "log-deleted"
    """Records were deleted from the log before they were read."""
    FUSE = "fuse"
    """Too many records could not be decoded or processed."""


class PartitionHalted(Halt):
    """One partition must not be read until an operator has repaired it; the others go on.

    `todo` says what the operator does.
    """

    def __init__(
        self,
        partition: TopicPartition,
        reason: HaltReason,
        problem: str,
        *,
        next_offset: int,
        todo: str = REPAIR,
    ) -> None:
        topic, number = partition
        super().__init__(f"{topic}/{number}: {problem}; {todo}")
        self.partition = partition
        self.reason = reason
        self.next_offset = next_offset


@dataclass(frozen=True, slots=True)
class HaltedPartition:
    """A row of the table `halt`."""

    cluster_id: str
    partition: TopicPartition
    reason: HaltReason
    detail: str
    next_offset: int
    """The offset that would have been applied next."""
    halted_at: datetime


class HaltStore:
    """One service's table `halt`."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def record(self, connection: Connection, cluster_id: str, halt: PartitionHalted) -> None:
        """Store that a partition is halted; an earlier reason stays."""
        topic, number = halt.partition
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.halt (cluster_id, topic, partition, reason, detail, next_offset)
            VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            (cluster_id, topic, number, halt.reason, str(halt), halt.next_offset),
        )

    async def read(self, connection: Connection, cluster_id: str | None = None) -> Sequence[HaltedPartition]:
        """Return the halted partitions of one cluster, or of all, in order."""
        cursor = await connection.execute(
            f"""
            SELECT cluster_id, topic, partition, reason, detail, next_offset, halted_at
            FROM {self._schema}.halt WHERE %(cluster)s::text IS NULL OR cluster_id = %(cluster)s
            ORDER BY topic, partition, cluster_id
            """,
            {"cluster": cluster_id},
        )
        return [
            HaltedPartition(cluster, (topic, number), HaltReason(reason), detail, offset, at)
            async for cluster, topic, number, reason, detail, offset, at in cursor
        ]

    async def let_set_aside(self, connection: Connection, halt: HaltedPartition, places: range) -> None:
        """Let a partition be read again, and what is bad at these offsets not count for the fuse."""
        topic, number = halt.partition
        await connection.execute(
            f"""
            INSERT INTO {self._schema}.set_aside AS known
                (cluster_id, topic, partition, from_offset, next_offset)
            VALUES (%s, %s, %s, %s, %s) ON CONFLICT (cluster_id, topic, partition, from_offset)
            DO UPDATE SET next_offset = greatest(known.next_offset, EXCLUDED.next_offset)
            """,
            (halt.cluster_id, topic, number, places.start, places.stop),
        )
        await self.delete(connection, halt)

    async def read_set_aside(
        self, connection: Connection, cluster_id: str
    ) -> dict[TopicPartition, list[range]]:
        """Return the offsets, by partition, at which bad records do not count for the fuse."""
        cursor = await connection.execute(
            f"""
            SELECT topic, partition, from_offset, next_offset FROM {self._schema}.set_aside
            WHERE cluster_id = %s ORDER BY 1, 2, 3
            """,
            (cluster_id,),
        )
        found: dict[TopicPartition, list[range]] = {}
        async for topic, number, first, after in cursor:
            found.setdefault((topic, number), []).append(range(first, after))
        return found

    async def delete(self, connection: Connection, halt: HaltedPartition) -> None:
        """Let a partition be read again."""
        topic, number = halt.partition
        await connection.execute(
            f"DELETE FROM {self._schema}.halt WHERE cluster_id = %s AND topic = %s AND partition = %s",
            (halt.cluster_id, topic, number),
        )
