"""Taking batches: records in, each batch through the order of effects out; what fails is read again.

After a full batch there is more to read, so the next one begins while this one is published and its offsets
are committed. What was committed goes out in the order of the commits all the same, and never more than one
batch is ahead.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from services.runtime.consumer.commit_offsets import commit_offsets
from services.runtime.consumer.consumer_context import LOOP, ConsumerContext
from services.runtime.consumer.in_flight_batch import InFlightBatch
from services.runtime.consumer.order_of_effects import next_offsets
from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.kafka.subscription import RawBatch, Subscription
from services.runtime.outbox.positions import PartitionsFenced
from services.runtime.process.errors import Halt
from services.runtime.process.log import describe, get_logger
from services.runtime.process.metrics import RetryReason
from services.runtime.process.retry_reason import retry_reason


class BatchProcessor:
    """Takes one batch at a time; whoever calls holds the session's lock.

    `hold` stops reading until all partitions are prepared again.
    """

    def __init__(self, parts: ConsumerContext, subscription: Subscription, hold: Callable[[], None]) -> None:
        self._parts = parts
        self._subscription = subscription
        self._hold = hold
        self._tail = InFlightBatch()

    @property
    def under_way(self) -> bool:
        """A batch is not finished yet, or failed and is to be read again: `end` says."""
        return self._tail.under_way

    async def take(self, raw: RawBatch) -> float:
        """Take a batch; the seconds to pause before the next one.

        Raises:
            Halt: a person must act.
        """
        parts = self._parts
        ours = parts.assignment.epochs
        records = [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in raw
            if (r.topic, r.partition) in ours
        ]
        if not records:
            return 0.0
        starts: dict[TopicPartition, int] = {}
        for record in records:
            starts.setdefault((record.topic, record.partition), record.offset)
        for topic, number in Counter(record.topic for record in records).items():
            parts.metrics.records_read.labels(topic=topic).inc(number)
        parts.metrics.batch_records.observe(len(records))
        # While something could not be published, nothing new is begun.
        ahead = len(raw) >= parts.max_records and (self._tail.under_way or parts.publisher.idle)
        began, ends = parts.clock.monotonic(), next_offsets(records)

        async def finish() -> None:
            await parts.effects.finish(ends, self._commit, ahead=ahead)
            parts.metrics.batch_seconds.observe(parts.clock.monotonic() - began)
            self._went_well()

        try:
            if not ahead:
                await self._tail.end()
            conns = [await link.get() for link in parts.links]
            await parts.effects.apply(conns, records, ahead=ahead)
            await self._tail.end()
            self._tail.begin(finish(), starts)
            if not ahead:
                await self._tail.end()
        except PartitionsFenced as fenced:
            parts.assignment.fence(fenced.places)
            parts.health.set_bad("consumer", str(fenced))
            get_logger().error("partitions-lost", why=str(fenced))
            self._subscription.pause(fenced.places)
            self._subscription.rewind(parts.assignment.applied)
            return 0.0
        except Halt:
            raise
        except Exception as error:
            return await self._recover(error, starts)
        return 0.0

    async def end(self) -> float:
        """Wait for the batch that is not finished yet; the seconds to pause.

        Raises:
            Halt: a person must act.
        """
        try:
            await self._tail.end()
        except Halt:
            raise
        except Exception as error:
            return await self._recover(error, {})
        return 0.0

    async def drop(self) -> BaseException | None:
        """Wait for the batch that is not finished yet; should it fail, whoever owns it next sorts it out."""
        error, _ = await self._tail.drop()
        if isinstance(error, Exception):
            get_logger().warning("batch-not-finished", why=describe(error))
        return error

    def note(self, error: Exception, reason: RetryReason, *, unexpected: bool = False) -> None:
        """Count and show what failed around us."""
        parts = self._parts
        parts.metrics.retries.labels(reason=reason).inc()
        if reason is not RetryReason.PUBLISH:  # the publisher says so itself, and when it works again
            name = {RetryReason.DATABASE: "database", RetryReason.OTHER: "consumer"}.get(reason, "kafka")
            parts.health.set_bad(name, describe(error))
        if unexpected:
            get_logger().error("batch-failed-unexpectedly", exc_info=error)
        else:
            get_logger().warning("surroundings-failed", reason=reason, why=describe(error))

    async def _commit(self, ends: Mapping[TopicPartition, int]) -> None:
        parts = self._parts
        await commit_offsets(self._subscription.consumer, ends, parts.metrics, parts.health)

    def _went_well(self) -> None:
        parts = self._parts
        parts.backoff.reset()
        parts.metrics.last_batch.set(parts.clock.now().timestamp())
        for name in ("kafka", "database", "consumer"):
            parts.health.set_good(name)
        parts.health.beat(LOOP)

    async def _recover(self, error: Exception, starts: Mapping[TopicPartition, int]) -> float:
        # The batch before this one begins earlier in each of its partitions.
        failed, earlier = await self._tail.drop()
        if failed is not None and not isinstance(failed, Exception):
            raise failed
        reason = retry_reason(error)
        # An exception nobody expected must not lose records either: it is shown, and the batch read again.
        self.note(error, reason or RetryReason.OTHER, unexpected=reason is None)
        if reason in {RetryReason.KAFKA, RetryReason.PUBLISH}:
            self._subscription.rewind({**starts, **earlier})
        else:
            # The last commit may or may not have reached the database: ask it, as after an assignment.
            await self._parts.drop_links()
            self._parts.assignment.distrust()
            self._hold()
        return self._parts.backoff.next_s()
