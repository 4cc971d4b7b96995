"""The order of effects: records of prepared partitions in; committed, published, their offsets committed out.

1. read   2. decode   3. one transaction: work, rejections, applied, outbox   4. publish the outbox's rows
5. commit the Kafka offsets   6. the next transaction deletes the published rows

docs/flow.md says what happens when the process dies between any two of them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.parallel_batch import cut, together
from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.outbox.committer import Claim, Committer, Conn, Work
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Fault, Halt, Reject
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.log import describe, get_logger
from services.runtime.process.metrics import Metrics, RecordOutcome
from services.runtime.process.retry_reason import retry_reason

Handler = Callable[[Transaction, Sequence[Record]], Awaitable[None]]
CommitOffsets = Callable[[Mapping[TopicPartition, int]], Awaitable[None]]

OwnerOf = Callable[[Record], tuple[str | None, str | None]]
"""OwnerOf record this is and what it is about, as far as it can be read; never raises."""


def no_owner(_record: Record) -> tuple[None, None]:
    """A record of which nothing can be said."""
    return None, None


class OrderOfEffects:
    """Takes batches through the steps; raises what stops it, with nothing half done."""

    def __init__(
        self,
        handle: Handler,
        *,
        whose: OwnerOf,
        assignment: Assignment,
        committer: Committer,
        publisher: OutboxPublisher,
        fuse: Fuse,
        metrics: Metrics,
        checkpoint: Checkpoint,
        alive: Callable[[], None],
        strands_from: int,
    ) -> None:
        self._handle = handle
        self._alive = alive
        self._whose = whose
        self._assignment = assignment
        self._committer = committer
        self._publisher = publisher
        self._fuse = fuse
        self._metrics = metrics
        self._checkpoint = checkpoint
        self._strands_from = strands_from

    async def apply(self, conns: Sequence[Conn], records: Sequence[Record], *, ahead: bool = False) -> None:
        """Steps 2 and 3 over a batch, and step 4 after each transaction; `finish` does the rest.

        A large batch is worked off in as many strands as there are connections, at the same time. `ahead`
        says that an earlier batch may still be on its way through `finish`, and leaves all publishing to it:
        what is committed is published in the order of the commits, whoever asks for it.

        Raises:
            PartitionsFenced, Halt: it must not be applied here.
            Exception: one that `retry_reason` knows; what was committed stays, the rest is to be read again.
        """
        if not ahead:
            # What an earlier transaction left goes out before anything that comes after it.
            await self._publisher.publish()
        self._checkpoint("after-read")
        applied = self._assignment.applied
        todo = [record for record in records if record.offset >= applied[record.topic, record.partition]]
        if skipped := len(records) - len(todo):
            for topic in {record.topic for record in records}:
                again = sum(r.topic == topic for r in records) - sum(r.topic == topic for r in todo)
                self._metrics.record_outcomes.labels(topic=topic, outcome=RecordOutcome.SKIPPED).inc(again)
            get_logger().info("records-skipped", records=skipped)
        strands = cut(todo, len(conns) if len(todo) >= self._strands_from else 1)
        works = [
            self._work_off(conn, strand, ahead=ahead) for conn, strand in zip(conns, strands, strict=False)
        ]
        await together(works, self._assignment)

    async def finish(
        self, ends: Mapping[TopicPartition, int], commit_offsets: CommitOffsets, *, ahead: bool = False
    ) -> None:
        """Publish what still waits of a batch that was applied, and commit its offsets.

        `ends` says where its partitions are read on; `ahead` is what `apply` was told.

        Raises:
            Halt: a record cannot be published.
            Retry: Kafka is away; the batch is to be read again, and is skipped then.
        """
        if ahead:
            await self._publish()
        self._checkpoint("before-commit-offset")
        await commit_offsets(ends)
        self._checkpoint("after-commit-offset")

    async def _work_off(self, conn: Conn, strand: list[Record], *, ahead: bool) -> None:
        # Parts to be applied, the next one last: a part that fails on its data is cut in halves, in order.
        parts = [strand]
        while parts:
            part = parts.pop()
            halves = await self._apply_or_split(conn, part, ahead=ahead)
            parts.extend(reversed(halves))

    async def _apply_or_split(self, conn: Conn, part: list[Record], *, ahead: bool) -> list[list[Record]]:
        async def handle(tx: Transaction) -> None:
            await self._handle(tx, part)

        try:
            await self._apply(conn, part, handle, ahead=ahead)
        except Reject as reject:
            verdict = reject
        except Fault:
            raise
        except Exception as error:
            if retry_reason(error) is not None:
                raise
            # The message of a foreign exception may quote the record; its type may not.
            verdict = Reject("unprocessable", describe(error), counts_for_fuse=True)
            if len(part) == 1:
                get_logger().error("record-unprocessable", record=repr(part[0]), exc_info=error)
        else:
            return []
        if len(part) > 1:
            self._metrics.splits.inc()
            middle = len(part) // 2
            return [part[:middle], part[middle:]]

        async def set_aside(tx: Transaction) -> None:
            tenant, subject_id = self._whose(part[0])
            tx.reject(part[0], verdict, tenant=tenant, subject_id=subject_id)

        await self._apply(conn, part, set_aside, ahead=ahead)
        return []

    async def _apply(self, conn: Conn, part: Sequence[Record], work: Work, *, ahead: bool) -> None:
        ends = next_offsets(part)
        epochs = {place: self._assignment.epochs[place] for place in ends}
        bad: list[bool] = []

        def look_at_fuse(tx: Transaction) -> None:
            bad[:] = [(one.topic, one.partition, one.offset) in tx.bad for one in part] if tx.bad else []
            try:
                self._fuse.check(bad)
            except Halt:
                self._metrics.fuse_blown.set(1)
                raise

        tx = await self._committer.commit(conn, work, Claim(epochs, ends), before_commit=look_at_fuse)
        self._fuse.add(bad or [False] * len(part))
        self._assignment.applied.update(ends)
        self._count(part, tx)
        if not ahead:
            await self._publish(first_alone=bool(tx.outgoing))
        # A batch that is cut into many parts takes long, and is not stuck.
        self._alive()

    async def _publish(self, *, first_alone: bool = True) -> None:
        await self._publisher.publish(first_alone=self._first_alone if first_alone else None)
        self._checkpoint("after-publish")

    @property
    def _first_alone(self) -> Callable[[], None] | None:
        # Only a fault test wants the first record acknowledged before any other is sent.
        if self._checkpoint is no_checkpoint:
            return None
        return lambda: self._checkpoint("after-publish-one")

    def _count(self, part: Sequence[Record], tx: Transaction) -> None:
        topics = [record.topic for record in part]
        rejected = [one.topic for one in tx.rejections]
        for topic in set(topics):
            turned_down = rejected.count(topic)
            outcomes = self._metrics.record_outcomes
            outcomes.labels(topic=topic, outcome=RecordOutcome.REJECTED).inc(turned_down)
            outcomes.labels(topic=topic, outcome=RecordOutcome.HANDLED).inc(topics.count(topic) - turned_down)
        self._metrics.fuse_in_a_row.set(self._fuse.in_a_row)
        self._metrics.fuse_share.set(self._fuse.share)


def next_offsets(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """Where partitions are read on after these records."""
    # Within a partition the records are in order, so the last one wins.
    return {(record.topic, record.partition): record.offset + 1 for record in records}
