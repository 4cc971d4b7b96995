"""PositionStore: how far each partition has been applied, who may apply it, and in which Kafka cluster."""

from collections.abc import Mapping, Sequence

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.runtime.kafka.record import TopicPartition
from services.runtime.process.errors import Fault, Halt

Conn = AsyncConnection[TupleRow]


class PartitionsFenced(Fault):
    """Another process was given some of our partitions while this one was away: leave them alone."""

    def __init__(self, places: Sequence[TopicPartition]) -> None:
        super().__init__(f"another process took over {_shown(places)}; this one leaves them alone")
        self.places = tuple(places)


class PositionStore:
    """One service's tables of positions."""

    def __init__(self, schema: str) -> None:
        self._schema = schema

    async def check_cluster(self, conn: Conn, cluster_id: str, *, adopt: bool) -> str | None:
        """Compare the cluster that was reached with the one these positions belong to.

        Returns the cluster that was replaced when `adopt` is set, else None.

        Raises:
            Halt: it is another one.
        """
        cursor = await conn.execute(f"SELECT cluster_id FROM {self._schema}.cluster FOR UPDATE")
        row = await cursor.fetchone()
        if row is not None and row[0] == cluster_id:
            return None
        if row is not None and not adopt:
            raise Halt(
                f"the positions belong to the Kafka cluster {row[0]}, and this is {cluster_id}: check "
                "KAFKA_BOOTSTRAP_SERVERS; if it is meant, run `rapport topics adopt-cluster`"
            )
        await adopt_cluster(conn, self._schema, cluster_id)
        return None if row is None else str(row[0])

    async def raise_epochs(self, conn: Conn, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Become the owner of these partitions; a transaction of an earlier owner ends first."""
        cursor = await conn.execute(
            f"""
            INSERT INTO {self._schema}.epoch AS known (topic, partition, epoch)
            SELECT topic, partition, 1 FROM unnest(%s::text[], %s::int4[]) AS new (topic, partition)
            ORDER BY topic, partition
            ON CONFLICT (topic, partition) DO UPDATE SET epoch = known.epoch + 1
            RETURNING topic, partition, epoch
            """,
            _columns(places),
        )
        return {(topic, partition): epoch async for topic, partition, epoch in cursor}

    async def check_epochs(self, conn: Conn, epochs: Mapping[TopicPartition, int]) -> None:
        """Hold these partitions until the transaction ends: whoever wants to become their owner waits for it.

        Raises:
            PartitionsFenced: another process became the owner of one of them.
        """
        places = sorted(epochs)
        cursor = await conn.execute(
            f"""
            SELECT topic, partition, epoch FROM {self._schema}.epoch
            WHERE (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int4[]))
            ORDER BY topic, partition FOR SHARE
            """,
            _columns(places),
        )
        now = {(topic, partition): epoch async for topic, partition, epoch in cursor}
        lost = [place for place in places if now.get(place) != epochs[place]]
        if lost:
            raise PartitionsFenced(lost)

    async def applied(
        self, conn: Conn, cluster_id: str, places: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """The next offset to apply of each of these partitions, where there is one."""
        cursor = await conn.execute(
            f"""
            SELECT topic, partition, next_offset FROM {self._schema}.applied
            WHERE cluster_id = %s AND (topic, partition) IN (SELECT * FROM unnest(%s::text[], %s::int4[]))
            """,
            (cluster_id, *_columns(places)),
        )
        return {(topic, partition): offset async for topic, partition, offset in cursor}

    async def advance(self, conn: Conn, cluster_id: str, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Say how far the open transaction applies each partition."""
        places = sorted(next_offsets)
        await conn.execute(
            f"""
            INSERT INTO {self._schema}.applied (cluster_id, topic, partition, next_offset)
            SELECT %s, * FROM unnest(%s::text[], %s::int4[], %s::int8[])
            ON CONFLICT (cluster_id, topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset
            """,
            (cluster_id, *_columns(places), [next_offsets[place] for place in places]),
        )


async def adopt_cluster(conn: Conn, schema: str, cluster_id: str) -> None:
    """Go on with this Kafka cluster and its logs as they are now, from their beginnings.

    Its earlier positions are forgotten; what takes effect once is known by its ids and stays done.
    """
    await conn.execute(
        f"""
        INSERT INTO {schema}.cluster (cluster_id) VALUES (%s)
        ON CONFLICT (only_row) DO UPDATE SET cluster_id = EXCLUDED.cluster_id, adopted_at = now()
        """,
        (cluster_id,),
    )
    await conn.execute(f"DELETE FROM {schema}.applied WHERE cluster_id = %s", (cluster_id,))


def _columns(places: Sequence[TopicPartition]) -> tuple[list[str], list[int]]:
    return [topic for topic, _ in places], [partition for _, partition in places]


def _shown(places: Sequence[TopicPartition]) -> str:
    return ", ".join(f"{topic}/{partition}" for topic, partition in places)


def starting_offset(
    place: TopicPartition, *, applied: int | None, committed: int | None, begin: int, end: int, adopt: bool
) -> int:
    """Where to start reading a partition: the lower of applied and committed, none being the beginning.

    `begin` and `end` are the offsets of the log's oldest record and of the next one to be written. What is
    applied is the truth; a committed offset that the log no longer holds is only passed over.

    Raises:
        Halt: records that were never applied are gone, or the log is shorter than what was applied of it;
            with `adopt` the log is read from its beginning instead.
    """
    if applied is None:
        return begin
    if not begin <= applied <= end:
        if adopt:
            return begin
        what = (
            f"{begin - applied} records were deleted from the log before they were read"
            if applied < begin
            else f"the log ends at {end}, before the {applied} that was applied: it is another log"
        )
        raise Halt(
            f"{_shown([place])}: {what}; find out why, then run `rapport topics adopt-cluster` to go on with "
            "the logs as they are"
        )
    return applied if committed is None else max(begin, min(applied, committed))
