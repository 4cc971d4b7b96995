"""Runs each piece of work in one PostgreSQL transaction, which stores all its effects or none."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.outbox.erasures import pass_gate
from services.runtime.outbox.halts import HaltStore
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.outbox.positions import DatabaseWentBack, OffsetRange, PartitionsFenced, PositionStore
from services.runtime.outbox.transaction import Rejection, RejectionEventFactory, Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.table_versions import TableVersions
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import TooMuch
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.log import get_logger
from services.runtime.process.sandbox import is_sandbox

_NOTE_ENDS_EVERY_S = 5.0
"""How often a process stores how far it has published: an owner after it reads what follows in the log."""

Work = Callable[[Transaction], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Claim:
    """The partitions that a transaction acts for, with their epochs and the last records it applies."""

    epochs: Mapping[TopicPartition, int]
    last_records: Mapping[TopicPartition, Record]
    missing: Sequence[OffsetRange] = ()
    """Records that the log does not hold any more, between those that are applied."""
    applied: Mapping[TopicPartition, int | None] = field(default_factory=dict)
    """The offsets that PostgreSQL must hold before; None for no row."""


class Committer:
    """Commits transactions and hands the records they publish to the publisher."""

    def __init__(
        self,
        schema: str,
        *,
        publisher: OutboxPublisher,
        rejection_event: RejectionEventFactory,
        metrics: ConsumerMetrics,
        clock: Clock,
        checkpoint: Checkpoint,
        deadline_s: float,
        scheduled_deadline_s: float,
        tables: TableVersions | None = None,
    ) -> None:
        """`tables` are checked in each transaction; None for tables without migrations."""
        self.tables = tables
        self.outbox = Outbox(schema)
        self.positions = PositionStore(schema)
        self.halts = HaltStore(schema)
        self.cluster_id = ""
        self._schema = schema
        self._publisher = publisher
        self._rejection_event = rejection_event
        self._metrics = metrics
        self._clock = clock
        self._checkpoint = checkpoint
        self._deadline_s = deadline_s
        self._scheduled_deadline_s = scheduled_deadline_s
        self._ends_noted_at_s = float("-inf")

    async def commit(
        self,
        connection: Connection,
        work: Work,
        claim: Claim | None = None,
        *,
        before_commit: Callable[[Transaction], None] | None = None,
    ) -> Transaction:
        """Run `work` and commit; the records to publish wait in the publisher afterwards.

        `before_commit` may inspect the transaction and raise. Checkpoints are passed only with a claim:
        those of scheduled work would be counted among those of the batches.

        Raises:
            PartitionsFenced: another process owns a claimed partition now.
            DatabaseWentBack: PostgreSQL was restored since the claim was made.
            TablesBehind: the tables lack migrations.
            Halt: they are of a newer version, on which this one does not run.
            TooMuch: it took longer than a transaction may.
            Exception: whatever `work` or the database raised; everything is rolled back.
        """
        tx = Transaction(connection, self._clock.now(), self.cluster_id, self._rejection_event)
        checkpoint = self._checkpoint if claim is not None else no_checkpoint
        published = self._publisher.take_published()
        deadline_s = self._scheduled_deadline_s if claim is None else self._deadline_s
        deadline = asyncio.timeout(deadline_s)
        try:
            with self._metrics.transaction_seconds.time():
                async with deadline, connection.transaction():
                    await self._begin(connection)
                    if claim is not None:
                        await self.positions.check_epochs(
                            connection, self.cluster_id, claim.epochs, claim.applied
                        )
                    await self.outbox.delete_batches(connection, published)
                    await work(tx)
                    checkpoint("after-decode")
                    if before_commit is not None:
                        before_commit(tx)
                    await self._write_rejections(connection, tx.rejections)
                    if claim is not None:
                        await self._advance(connection, claim, tx.passed_over)
                    batch = await self.outbox.write(connection, tx.outgoing)
                    checkpoint("before-commit-transaction")
        except BaseException as error:
            self._publisher.return_published(published)
            if isinstance(error, TimeoutError) and deadline.expired():
                raise TooMuch(f"a transaction took longer than {deadline_s:g} s") from error
            raise
        self._publisher.enqueue(batch)
        self._count_rejections(tx)
        for callback in tx.after_commit:
            try:
                callback()
            except Exception as error:  # the work is committed and must not be reported as failed
                get_logger().error("after-commit-failed", exc_info=error)
        # The callbacks reference the transaction and its batch, and the transaction references the callbacks.
        # Without breaking this cycle, batches would stay in memory until the garbage collector runs.
        tx.after_commit.clear()
        checkpoint("after-commit-transaction")
        if published:
            checkpoint("after-delete-outbox")
        return tx

    def _count_rejections(self, tx: Transaction) -> None:
        for rejection in tx.rejections:
            # What a sandbox gets wrong is its own affair; what we cannot read or process is ours.
            place = (rejection.topic, rejection.partition, rejection.offset)
            if place in tx.bad_records or not is_sandbox(rejection.tenant or ""):
                self._metrics.rejections.labels(reason=rejection.reason).inc()

    async def _begin(self, connection: Connection) -> None:
        if self.tables is not None:
            await self.tables.check(connection)
        await pass_gate(connection)

    async def _advance(self, connection: Connection, claim: Claim, passed_over: Sequence[Record]) -> None:
        await self.positions.advance(connection, self.cluster_id, claim.last_records)
        ranges = [OffsetRange(one.topic, one.partition, one.offset, one.offset + 1) for one in passed_over]
        if claim.missing or ranges:
            await self.positions.note_unaccounted(connection, self.cluster_id, [*claim.missing, *ranges])
        now_s = self._clock.monotonic()
        if now_s - self._ends_noted_at_s >= _NOTE_ENDS_EVERY_S:
            if ends := self._publisher.ends_to_note(claim.epochs):
                await self.positions.note_published(connection, self.cluster_id, ends)
            self._ends_noted_at_s = now_s

    async def note_ends(self, connection: Connection, owned: Claim) -> None:
        """Store how far this process has published to the partitions that it owns.

        Nothing is stored in a database that was restored meanwhile: it lacks what was published.
        """
        ends = self._publisher.ends_to_note(owned.epochs)
        if not ends:
            return
        try:
            async with connection.transaction():
                await self.positions.check_epochs(connection, self.cluster_id, owned.epochs, owned.applied)
                await self.positions.note_published(connection, self.cluster_id, ends)
        except (PartitionsFenced, DatabaseWentBack):
            return  # a batch that is committed meanwhile looks like this, too: it stores them
        self._publisher.note_stored(ends)

    async def _write_rejections(self, connection: Connection, rejections: list[Rejection]) -> None:
        if not rejections:
            return
        async with connection.cursor() as cursor:
            # A record that is read again after its position was lost is rejected again: one row is enough.
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
                        rejection.cluster_id,
                        rejection.topic,
                        rejection.partition,
                        rejection.offset,
                        rejection.key,
                        rejection.value,
                        rejection.reason,
                        rejection.detail,
                        rejection.tenant,
                        rejection.subject_id,
                        rejection.rejected_at,
                    )
                    for rejection in rejections
                ],
            )
