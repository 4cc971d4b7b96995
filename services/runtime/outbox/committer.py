"""One PostgreSQL transaction around a piece of work: all that it did and is to publish, or nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.runtime.kafka.record import TopicPartition
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.outbox.positions import PositionStore
from services.runtime.outbox.transaction import Rejection, RejectionEventFactory, Transaction
from services.runtime.process.clock import Clock
from services.runtime.process.kill_points import Checkpoint
from services.runtime.process.log import get_logger
from services.runtime.process.metrics import Metrics

Work = Callable[[Transaction], Awaitable[None]]
Conn = AsyncConnection[TupleRow]


@dataclass(frozen=True, slots=True)
class Claim:
    """Which partitions a transaction acts for, and how far it applies them."""

    epochs: Mapping[TopicPartition, int]
    next_offsets: Mapping[TopicPartition, int]


class Committer:
    """Runs pieces of work, each in a transaction of its own, and hands what they publish to the publisher."""

    def __init__(
        self,
        schema: str,
        *,
        publisher: OutboxPublisher,
        rejected_event: RejectionEventFactory,
        metrics: Metrics,
        clock: Clock,
        checkpoint: Checkpoint,
        deadline_s: float,
    ) -> None:
        self.outbox = Outbox(schema)
        self.positions = PositionStore(schema)
        self.cluster_id = ""
        self._schema = schema
        self._publisher = publisher
        self._rejected_event = rejected_event
        self._metrics = metrics
        self._clock = clock
        self._checkpoint = checkpoint
        self._deadline_s = deadline_s

    async def commit(
        self,
        conn: Conn,
        work: Work,
        claim: Claim | None = None,
        *,
        before_commit: Callable[[Transaction], None] | None = None,
    ) -> Transaction:
        """Run `work` and commit; what is to be published waits in the publisher afterwards.

        `before_commit` may look at what was done and raise. Labels are passed only with a claim: those of
        scheduled work would be counted among those of the batches.

        Raises:
            PartitionsFenced: a claimed partition has another owner now.
            Exception: whatever `work` or the database raised; everything is rolled back.
        """
        tx = Transaction(conn, self._clock.now(), self.cluster_id, self._rejected_event)
        reach = self._checkpoint if claim is not None else _pass
        published = self._publisher.take_published()
        try:
            with self._metrics.transaction_seconds.time():
                # A server that accepts and never answers is away, too.
                async with asyncio.timeout(self._deadline_s), conn.transaction():
                    if claim is not None:
                        await self.positions.check_epochs(conn, claim.epochs)
                    await self.outbox.delete(conn, published)
                    await work(tx)
                    reach("after-decode")
                    if before_commit is not None:
                        before_commit(tx)
                    await self._write_rejections(conn, tx.rejections)
                    if claim is not None:
                        await self.positions.advance(conn, self.cluster_id, claim.next_offsets)
                    parcel = await self.outbox.write(conn, tx.outgoing)
                    reach("before-commit-transaction")
        except TimeoutError as error:
            self._publisher.give_back(published)
            raise psycopg.OperationalError("a transaction took too long") from error
        except BaseException:
            self._publisher.give_back(published)
            raise
        self._publisher.add(parcel)
        for rejection in tx.rejections:
            self._metrics.rejections.labels(reason=rejection.reason).inc()
        for count in tx.after_commit:
            try:
                count()
            except Exception as error:  # what is committed must not be taken for failed
                get_logger().error("after-commit-failed", exc_info=error)
        # They hold the transaction and its whole batch, and it holds them: as a circle, batches would pile up
        # until the collector comes by.
        tx.after_commit.clear()
        reach("after-commit-transaction")
        if published:
            reach("after-delete-outbox")
        return tx

    async def _write_rejections(self, conn: Conn, rejections: list[Rejection]) -> None:
        if not rejections:
            return
        async with conn.cursor() as cursor:
            # A record that is delivered again after its position was forgotten is rejected again: one row.
            await cursor.executemany(
                f"""
                INSERT INTO {self._schema}.rejection
                    (cluster_id, topic, partition, "offset", key, value, reason, detail, tenant, subject_id,
                     recorded_at)
                VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
                ON CONFLICT (cluster_id, topic, partition, "offset") DO NOTHING
                """,
                [
                    (
                        one.cluster_id,
                        one.topic,
                        one.partition,
                        one.offset,
                        one.key,
                        one.value,
                        one.reason,
                        one.detail,
                        one.tenant,
                        one.subject_id,
                        one.rejected_at,
                    )
                    for one in rejections
                ],
            )


def _pass(_label: str) -> None:
    return
