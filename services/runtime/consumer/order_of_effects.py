"""Takes each batch through the order of effects, which loses nothing and repeats no effect.

1. read   2. decode   3. one transaction: work, rejections, applied, outbox   4. publish the outbox's rows
5. commit the Kafka offsets   6. the next transaction deletes the published rows

docs/flow.md says what happens when the process dies between any two of them.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.consumed_traces import traced
from services.runtime.consumer.fuse import Fuse, FuseBlown
from services.runtime.consumer.parallel_batch import run_all, split_by_partition
from services.runtime.consumer.self_check import SelfCheck
from services.runtime.consumer.verdict import verdict
from services.runtime.kafka.record import Record, TopicPartition, last_records
from services.runtime.outbox.committer import Claim, Committer, Work
from services.runtime.outbox.halts import HaltReason, PartitionHalted
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.positions import OffsetRange, missing_before
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.reconnecting_connection import ReconnectingConnection
from services.runtime.process.consumer_metrics import ConsumerMetrics, RecordOutcome, RetryReason
from services.runtime.process.errors import Reject
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.log import get_logger
from services.runtime.process.retry_reason import retry_reason

Handler = Callable[[Transaction, Sequence[Record]], Awaitable[None]]
CommitOffsets = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]

OwnerOf = Callable[[Record], tuple[str | None, str | None]]
"""Returns a record's tenant and subject, None for what cannot be read."""

_ATTEMPTS = 3
"""How often records are tried that collided with another transaction, or one that alone took too long."""


def no_owner(_record: Record) -> tuple[None, None]:
    """Name neither tenant nor subject."""
    return None, None


class OrderOfEffects:
    """Runs the steps of batches; when a step raises, no effect is left half done."""

    def __init__(
        self,
        handle: Handler,
        *,
        owner_of: OwnerOf,
        self_check: SelfCheck,
        assignment: Assignment,
        committer: Committer,
        publisher: OutboxPublisher,
        fuse: Fuse,
        metrics: ConsumerMetrics,
        checkpoint: Checkpoint,
        report_alive: Callable[[], None],
        report_progress: Callable[[], None],
        parallel_from_records: int,
    ) -> None:
        self._handle = handle
        self._owner_of = owner_of
        self._self_check = self_check
        self._assignment = assignment
        self._committer = committer
        self._publisher = publisher
        self._fuse = fuse
        self._metrics = metrics
        self._checkpoint = checkpoint
        self._report_alive = report_alive
        self._report_progress = report_progress
        self._parallel_from_records = parallel_from_records

    async def apply(
        self,
        connections: Sequence[ReconnectingConnection],
        records: Sequence[Record],
        *,
        overlapping: bool = False,
    ) -> None:
        """Run steps 2 and 3 over a batch, and step 4 after each transaction; `finish` does the rest.

        A large batch is split over the connections and processed concurrently. `overlapping` says that the
        batch before may still be in `finish`, which then does all publishing: records are published in the
        order in which they were committed, whichever batch asks for it.

        Raises:
            PartitionsFenced, Halt: the batch must not be applied here.
            Exception: one that `retry_reason` knows; what was committed stays, the rest must be read again.
        """
        if not overlapping:
            # What an earlier transaction left is published before anything that comes after it.
            await self._publisher.publish()
        self._checkpoint("after-read")
        todo = self._skip_applied(records)
        parts = split_by_partition(todo, len(connections) if len(todo) >= self._parallel_from_records else 1)
        works = [
            self._apply_part(connection, part, overlapping=overlapping)
            for connection, part in zip(connections, parts, strict=False)
        ]
        await run_all(works, self._assignment)

    async def finish(
        self,
        next_offsets: Mapping[TopicPartition, int],
        commit_offsets: CommitOffsets,
        *,
        overlapping: bool = False,
    ) -> None:
        """Publish what still waits of an applied batch, and commit its offsets.

        `overlapping` has the value that `apply` was called with.

        Raises:
            Halt: a record cannot be published.
            Retry: Kafka is away; the batch must be read again, and is skipped then.
        """
        if overlapping:
            await self._publish()
        self._checkpoint("before-commit-offset")
        await commit_offsets(next_offsets)
        self._checkpoint("after-commit-offset")

    def _skip_applied(self, records: Sequence[Record]) -> list[Record]:
        applied = self._assignment.applied
        todo = [record for record in records if record.offset >= applied[record.topic, record.partition]]
        if skipped := len(records) - len(todo):
            for topic in {record.topic for record in records}:
                again = sum(r.topic == topic for r in records) - sum(r.topic == topic for r in todo)
                self._metrics.record_outcomes.labels(topic=topic, outcome=RecordOutcome.SKIPPED).inc(again)
            get_logger().info("records-skipped", records=skipped)
        return todo

    async def _apply_part(
        self, connection: ReconnectingConnection, part: list[Record], *, overlapping: bool
    ) -> None:
        # A stack with the next records on top: those that fail because of their data, or because they are
        # too much for one transaction, are halved, in order.
        stack = [part]
        while stack:
            records = stack.pop()
            failure = await self._apply_records(connection, records, overlapping=overlapping)
            if failure is None:
                continue
            if len(records) > 1:
                self._metrics.splits.inc()
                middle = len(records) // 2
                stack += [records[middle:], records[:middle]]
            else:
                await self._set_aside(connection, records[0], failure, overlapping=overlapping)

    async def _apply_records(
        self, connection: ReconnectingConnection, records: list[Record], *, overlapping: bool
    ) -> Reject | None:
        """Apply these records; return why that is impossible, None once it is done.

        Raises:
            Exception: one that says nothing about the records.
        """

        async def handle(tx: Transaction) -> None:
            await self._handle(tx, records)

        for last in (False,) * (_ATTEMPTS - 1) + (True,):
            try:
                await self._commit(await connection.get(), records, handle, overlapping=overlapping)
            except Exception as error:
                self._report_alive()
                failure = verdict(error, records, last=last)
                if retry_reason(error) is RetryReason.TOO_MUCH:
                    # A server that does not answer at all is noticed when the next connection is opened.
                    await connection.close()
                    await self._self_check.run(error)
                if failure is not None:
                    return failure
            else:
                return None
        raise AssertionError("the last attempt ends in a verdict")

    async def _set_aside(
        self, connection: ReconnectingConnection, record: Record, failure: Reject, *, overlapping: bool
    ) -> None:
        try:
            tenant, subject_id = self._owner_of(record)
        except Exception as error:  # a record that cannot be set aside would come again for ever
            get_logger().error("owner-unreadable", record=repr(record), exc_info=error)
            tenant, subject_id = None, None

        async def reject(tx: Transaction) -> None:
            tx.reject(record, failure, tenant=tenant, subject_id=subject_id)

        await self._commit(await connection.get(), [record], reject, overlapping=overlapping)

    async def _commit(
        self, connection: Connection, records: Sequence[Record], work: Work, *, overlapping: bool
    ) -> None:
        last = last_records(records)
        epochs = {partition: self._assignment.epochs[partition] for partition in last}
        bad: list[bool] = []

        def check_fuse(tx: Transaction) -> None:
            if tx.bad_records:
                counted = {
                    place
                    for place in tx.bad_records
                    if not self._assignment.is_set_aside(place[:2], place[2])
                }
                bad[:] = [(r.topic, r.partition, r.offset) in counted for r in records]
            self._check_fuse(records, bad, tx)

        async def passing_on(tx: Transaction) -> None:
            await work(tx)
            traces.pass_on(tx.outgoing)

        applied = self._assignment.stored
        stored = {partition: applied[partition] for partition in last if partition in applied}
        claim = Claim(epochs, last, missing_before(records, self._assignment.applied), stored)
        with traced(self._metrics.service, records) as traces:
            tx = await self._committer.commit(connection, passing_on, claim, before_commit=check_fuse)
        self._fuse.add(bad or [False] * len(records))
        after = {partition: record.offset + 1 for partition, record in last.items()}
        self._assignment.applied.update(after)
        self._assignment.stored.update(after)
        if claim.missing or tx.passed_over:
            self._count_unaccounted(claim.missing, tx)
        self._count(records, tx)
        if not overlapping:
            await self._publish(first_alone=bool(tx.outgoing))
        # A batch that is halved many times takes long without being stuck.
        self._report_progress()

    def _check_fuse(self, records: Sequence[Record], bad: Sequence[bool], tx: Transaction) -> None:
        try:
            self._fuse.check(bad)
        except FuseBlown as blown:
            last = records[blown.at]
            self._metrics.fuse_in_a_row.set(blown.in_a_row)
            self._metrics.fuse_share.set(blown.share)
            partition = last.topic, last.partition
            first = next(r.offset for r in records if (r.topic, r.partition) == partition)
            why = next(
                r for r in tx.rejections if (r.topic, r.partition, r.offset) == (*partition, last.offset)
            )
            raise PartitionHalted(
                partition,
                HaltReason.FUSE,
                f"{blown}, the last at offset {last.offset} ({why.reason}: {why.detail})",
                next_offset=first,
                todo=f"look with `rapport rejected peek --topic {last.topic} --partition {last.partition}"
                f" --from {first} --to {last.offset}`, then go on with `rapport rejected set-aside` and the"
                " same options",
            ) from None

    async def _publish(self, *, first_alone: bool = True) -> None:
        await self._publisher.publish(first_alone=self._first_alone if first_alone else None)
        self._checkpoint("after-publish")

    @property
    def _first_alone(self) -> Callable[[], None] | None:
        # Only a fault test needs the first record acknowledged before any other is sent.
        if self._checkpoint is no_checkpoint:
            return None
        return lambda: self._checkpoint("after-publish-one")

    def _count_unaccounted(self, missing: Sequence[OffsetRange], tx: Transaction) -> None:
        gauge = self._metrics.unaccounted
        for one in missing:
            gauge.labels(topic=one.topic, partition=one.partition).inc(one.next_offset - one.from_offset)
        for record in tx.passed_over:
            gauge.labels(topic=record.topic, partition=record.partition).inc()
        get_logger().error(
            "records-unaccounted",
            missing=[f"{topic}/{number}@{first}-{end - 1}" for topic, number, first, end in missing],
            passed_over=[repr(record) for record in tx.passed_over],
        )

    def _count(self, records: Sequence[Record], tx: Transaction) -> None:
        rejected: Counter[str] = Counter()
        if tx.rejections:
            # What waited since an earlier batch may be rejected with this one; it was counted when it was
            # read.
            read = {(record.topic, record.partition, record.offset) for record in records}
            rejected.update(
                one.topic for one in tx.rejections if (one.topic, one.partition, one.offset) in read
            )
        outcomes = self._metrics.record_outcomes
        for topic, number in Counter(record.topic for record in records).items():
            outcomes.labels(topic=topic, outcome=RecordOutcome.REJECTED).inc(rejected[topic])
            outcomes.labels(topic=topic, outcome=RecordOutcome.HANDLED).inc(number - rejected[topic])
        self._metrics.fuse_in_a_row.set(self._fuse.in_a_row)
        self._metrics.fuse_share.set(self._fuse.share)
