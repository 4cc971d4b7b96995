"""Processes one batch after another through the order of effects, and recovers from failures.

After a full batch there is more to read, so the next batch begins while the one before is published and its
offsets are committed. At most one batch is in flight like this, and records are always published in the
order in which they were committed. A batch that fails is read again.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from services.runtime.consumer.commit_offsets import commit_offsets
from services.runtime.consumer.consumer_context import CONSUME_LOOP, ConsumerContext
from services.runtime.consumer.in_flight_batch import InFlightBatch
from services.runtime.consumer.log_check import check_last_applied
from services.runtime.consumer.partition_setup import halt_partitions
from services.runtime.kafka.record import Record, TopicPartition, offsets_after
from services.runtime.kafka.subscription import RawBatch, Subscription
from services.runtime.outbox.halts import PartitionHalted
from services.runtime.outbox.positions import PartitionsFenced
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Halt
from services.runtime.process.log import describe, get_logger
from services.runtime.process.retry_reason import retry_reason

_CHECKS = {
    RetryReason.DATABASE: "database",
    RetryReason.KAFKA: "kafka",
    RetryReason.TOO_MUCH: "consumer",
    RetryReason.OTHER: "consumer",
}
"""The check that shows each failure; the publisher shows its own."""


class BatchProcessor:
    """Processes batches one at a time; its callers hold the session's lock.

    `pause_until_prepared` stops reading until all partitions are prepared again.
    """

    def __init__(
        self, context: ConsumerContext, subscription: Subscription, pause_until_prepared: Callable[[], None]
    ) -> None:
        self._context = context
        self._subscription = subscription
        self._pause_until_prepared = pause_until_prepared
        self._in_flight = InFlightBatch()
        self.has_failed = False
        """Whether a batch of the partitions owned now failed and none was finished since."""

    @property
    def has_batch_in_flight(self) -> bool:
        """Whether a batch is unfinished, or failed and has to be read again; `finish` settles it."""
        return self._in_flight.active

    async def process(self, raw: RawBatch) -> float:
        """Process a batch; return the seconds to pause before the next one.

        Raises:
            Halt: an operator must act.
        """
        context = self._context
        owned = context.assignment.epochs
        records = [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in raw
            if (r.topic, r.partition) in owned
        ]
        try:
            check_last_applied(records, context.assignment)
            return await self._process(records, full=len(raw) >= context.limits.max_records)
        except PartitionHalted as halt:
            return await self._halt(halt)

    async def finish(self) -> float:
        """Wait for the batch in flight; return the seconds to pause.

        Raises:
            Halt: an operator must act.
        """
        try:
            await self._in_flight.wait()
        except Halt:
            raise
        except Exception as error:
            return await self._recover(error, {})
        return 0.0

    async def abandon(self) -> BaseException | None:
        """Wait for the batch in flight and return its error; the partitions' next owner recovers from it."""
        error, _ = await self._in_flight.abandon()
        if isinstance(error, Exception):
            get_logger().warning("batch-not-finished", why=describe(error))
        return error

    def record_failure(self, error: Exception, reason: RetryReason, *, unexpected: bool = False) -> None:
        """Count a failure, and show it in health and log."""
        context = self._context
        context.metrics.retries.labels(reason=reason).inc()
        if reason is not RetryReason.PUBLISH:  # the publisher reports failure and recovery itself
            context.health.set_bad(_CHECKS[reason], describe(error))
        if unexpected:
            get_logger().error("batch-failed-unexpectedly", exc_info=error)
        else:
            get_logger().warning("surroundings-failed", reason=reason, why=describe(error))

    async def _process(self, records: list[Record], *, full: bool) -> float:
        context = self._context
        if not records:
            return 0.0
        # The records of a partition are in order, so from the back the first one wins.
        first = {(record.topic, record.partition): record for record in reversed(records)}
        starts = {partition: record.offset for partition, record in first.items()}
        for partition, record in first.items():
            context.assignment.waiting_since[partition] = record.timestamp_ms / 1000
        for topic, number in Counter(record.topic for record in records).items():
            context.metrics.records_read.labels(topic=topic).inc(number)
        context.metrics.batch_records.observe(len(records))
        # While something could not be published, no further batch begins.
        overlapping = full and (self._in_flight.active or context.publisher.idle)
        began, next_offsets = context.clock.monotonic(), offsets_after(records)

        async def last_steps() -> None:
            await context.effects.finish(next_offsets, self._commit, overlapping=overlapping)
            context.metrics.batch_seconds.observe(context.clock.monotonic() - began)
            self._record_success()

        try:
            if not overlapping:
                await self._in_flight.wait()
            await context.effects.apply(context.connections, records, overlapping=overlapping)
            await self._in_flight.wait()
            self._in_flight.start(last_steps(), starts)
            if not overlapping:
                await self._in_flight.wait()
        except PartitionsFenced as fenced:
            context.assignment.fence(fenced.partitions)
            context.report_consumer()
            get_logger().error("partitions-lost", why=str(fenced))
            self._subscription.pause(fenced.partitions)
            self._subscription.seek(context.assignment.positions)
            return 0.0
        except Halt:
            raise
        except Exception as error:
            return await self._recover(error, starts)
        return 0.0

    async def _commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        context = self._context
        await commit_offsets(self._subscription.consumer, next_offsets, context.metrics, context.health)

    def _record_success(self) -> None:
        context = self._context
        context.backoff.reset()
        now = context.clock.now().timestamp()
        context.metrics.last_batch.set(now)
        self.has_failed = False
        for check in ("kafka", "database"):
            context.health.set_good(check)
        context.report_consumer()
        context.metrics.last_progress.set(now)
        context.health.beat(CONSUME_LOOP)

    async def _halt(self, halt: PartitionHalted) -> float:
        """Halt one partition; the others are read on from what was applied of them."""
        context = self._context
        try:
            connection = await context.connection.get()
            await halt_partitions(connection, [halt], context.assignment, context.committer)
        except Exception as error:
            # Not stored: the partitions are prepared again, and this one halts again.
            return await self._recover(error, {})
        context.report_consumer()
        self._subscription.pause([halt.partition])
        self._subscription.seek(context.assignment.positions)
        return 0.0

    async def _recover(self, error: Exception, starts: Mapping[TopicPartition, int]) -> float:
        # In each of its partitions, the batch in flight begins before this one.
        in_flight_error, earlier_starts = await self._in_flight.abandon()
        if in_flight_error is not None and not isinstance(in_flight_error, Exception):
            raise in_flight_error
        reason = retry_reason(error)
        # An unexpected exception must not lose records either: it is shown, and the batch is read again.
        self.record_failure(error, reason or RetryReason.OTHER, unexpected=reason is None)
        self.has_failed = True
        self._context.health.set_bad("consumer", f"the last batch was not finished: {describe(error)}")
        if reason in {RetryReason.KAFKA, RetryReason.PUBLISH}:
            self._subscription.seek({**starts, **earlier_starts})
        else:
            # The last commit may or may not be stored: read the positions again, as after an assignment.
            await self._context.close_connections()
            self._context.assignment.invalidate()
            self._pause_until_prepared()
        return self._context.backoff.next_s()
