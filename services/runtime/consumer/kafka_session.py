"""Runs one session with Kafka, from joining the consumer group to a stop or the loss of the connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from services.runtime.consumer.batch_processor import BatchProcessor
from services.runtime.consumer.consumer_context import CONSUME_LOOP, ConsumerContext
from services.runtime.consumer.partition_setup import prepare_partitions
from services.runtime.consumer.startup_checks import connect_and_check
from services.runtime.consumer.watchdog import Watchdog
from services.runtime.kafka.record import TopicPartition
from services.runtime.kafka.subscription import RawBatch, Subscription
from services.runtime.process.backoff import Backoff
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Halt
from services.runtime.process.log import describe, get_logger
from services.runtime.process.retry_reason import retry_reason

_LOOK_FOR_REPAIRS_S = 5.0
"""How often a process with halted partitions looks whether they were repaired."""


class KafkaSession:
    """Reads batches while Kafka is reachable; `run` raises the error that ends the session early."""

    def __init__(self, context: ConsumerContext) -> None:
        self._context = context
        self._subscription = Subscription(
            context.kafka,
            context.source.topics,
            context.source.group,
            self,
            max_records=context.limits.max_records,
            batch_timeout_ms=context.limits.batch_timeout_ms,
            background=context.source.background,
            background_records=context.limits.background_records,
        )
        # Held while a batch is processed and its offsets are committed, while partitions are prepared, and
        # while they are revoked: a rebalance runs concurrently and must find no batch half done.
        self._lock = asyncio.Lock()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._processor = BatchProcessor(context, self._subscription, self._pause_until_prepared)
        self._must_prepare = asyncio.Event()
        self._polled_generation = -1
        self.assigned_by_kafka = False
        """Whether Kafka has assigned partitions to this member, possibly none."""
        self.polled_at = context.clock.monotonic()
        """When the client last polled, on the monotonic clock."""

    @property
    def subscription(self) -> Subscription:
        """The live subscription."""
        return self._subscription

    @property
    def busy(self) -> bool:
        """Whether a batch is being processed or partitions are being prepared or given up."""
        return self._lock.locked()

    async def run(self) -> None:
        """Connect to Kafka and the database, join the group, and read until stopped.

        Raises:
            Halt: an operator must act.
            Exception: one that `retry_reason` knows: begin a new session after a pause.
        """
        context = self._context
        stopped: asyncio.Future[Any] = asyncio.ensure_future(context.stopping.wait())
        connecting = asyncio.create_task(connect_and_check(context), name="connect")
        await asyncio.wait([stopped, connecting], return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            return
        if connecting.exception() is not None:
            stopped.cancel()
            connecting.result()
        preparing = asyncio.create_task(self._keep_prepared(), name="prepare")
        joining = asyncio.create_task(self._subscription.start(), name="join")
        watching = asyncio.create_task(Watchdog(self, context).run(), name="watchdog")
        tasks: list[asyncio.Future[Any]] = [stopped, preparing, joining, watching]
        try:
            await asyncio.wait([*tasks, self._ended], return_when=asyncio.FIRST_COMPLETED)
            if joining.done():
                joining.result()
                tasks.remove(joining)
                await asyncio.wait([*tasks, self._ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._leave(tasks)
        if self._ended.done():
            self._ended.result()
        for task in (preparing, watching):
            if not task.cancelled():
                task.result()

    def end(self, error: BaseException) -> None:
        """End the session with this error."""
        if not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # run() raises it, so asyncio must not report it as never retrieved

    async def on_batch(self, raw: RawBatch) -> None:
        """Process one batch; records read before partitions changed are read again instead."""

        async def process() -> float:
            if self._polled_generation != self._context.assignment.generation:
                # Partitions changed after the poll: some may have been sought elsewhere since.
                self._subscription.seek(self._context.assignment.positions)
                return 0.0
            if self._reconnected:
                return await self._prepare_again()
            return await self._processor.process(raw)

        await self._run_exclusively(process)

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Wait for the batch in flight, then give the partitions up."""
        async with self._lock:
            await self._abandon_batch_in_flight()
            if partitions:
                await self._delete_published_rows()
            self._context.assignment.revoke_all()

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Note the partitions; they are read once they are prepared."""
        self.assigned_by_kafka = True
        self._context.metrics.rebalances.inc()
        self._processor.has_failed = False  # the batch may belong to another process now
        self._context.assignment.assign(partitions)
        self._pause_until_prepared()

    async def on_poll(self, records: int) -> None:
        """Note that the client polled; when it found no records, finish the batch in flight."""
        self._polled_generation = self._context.assignment.generation
        self.polled_at = self._context.clock.monotonic()
        self._context.health.beat(CONSUME_LOOP)
        if not records and self._processor.has_batch_in_flight:
            await self._run_exclusively(self._processor.finish)
        elif not records and self._reconnected:
            await self._run_exclusively(self._prepare_again)

    async def on_out_of_range(self) -> None:
        """Look at the logs again: one of them lost records."""
        await self._run_exclusively(self._prepare_again)

    def on_error(self, error: KafkaError) -> None:
        """Record that reading failed."""
        self._processor.record_failure(error, RetryReason.KAFKA)

    @property
    def _reconnected(self) -> bool:
        return self._subscription.reconnected(self._context.assignment.connections)

    async def _prepare_again(self) -> float:
        """Have every partition compared again with what was applied, because its log may have changed."""
        pause_s = await self._processor.finish()
        self._context.assignment.invalidate()
        self._pause_until_prepared()
        return pause_s

    async def _run_exclusively(self, work: Callable[[], Awaitable[float]]) -> None:
        """Run `work` under the lock unless the session ends, then pause for the seconds it returns."""
        async with self._lock:
            if self._ended.done() or self._context.stopping.is_set():
                return
            try:
                pause_s = await work()
            except BaseException as error:
                self.end(error)
                raise
        if pause_s:
            await self._pause(pause_s)

    async def _leave(self, tasks: Sequence[asyncio.Future[Any]]) -> None:
        # The batch being processed comes first: stop() waits for it, then leaves the group.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with self._lock:
            await self._abandon_batch_in_flight()  # it needs the client that is stopped next
        with contextlib.suppress(Exception):
            async with asyncio.timeout(45):
                await self._subscription.stop()
        async with self._lock:
            # After an unforeseen fault, what is stored stays as it is: the next owner recovers.
            if not self._ended.done() or isinstance(self._ended.exception(), Exception):
                await self._delete_published_rows()
            self._context.assignment.revoke_all()

    async def _abandon_batch_in_flight(self) -> None:
        error = await self._processor.abandon()
        if error is not None and not isinstance(error, Exception):
            self.end(error)

    async def _keep_prepared(self) -> None:
        context = self._context
        backoff = Backoff()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_FOR_REPAIRS_S):
                    await self._must_prepare.wait()
            if not self._must_prepare.is_set() and not context.assignment.halted:
                continue
            self._must_prepare.clear()
            while True:
                try:
                    async with self._lock:
                        await prepare_partitions(
                            await context.connection.get(),
                            self._subscription.consumer,
                            assignment=context.assignment,
                            committer=context.committer,
                            publisher=context.publisher,
                            published=context.published,
                            adopt=context.kafka.embedded,
                        )
                    break
                except Halt:
                    raise
                except Exception as error:
                    self._processor.record_failure(error, retry_reason(error) or RetryReason.OTHER)
                    await context.close_connections()
                context.health.beat(CONSUME_LOOP)
                await self._pause(backoff.next_s())
            backoff.reset()
            for check in ("kafka", "database"):
                context.health.set_good(check)
            # Only a finished batch shows that batches can be finished.
            if not self._processor.has_failed or context.assignment.problem is not None:
                context.report_consumer()

    def _pause_until_prepared(self) -> None:
        """Read nothing until every assigned partition is prepared."""
        self._subscription.pause(self._context.assignment.assigned)
        self._must_prepare.set()

    async def _delete_published_rows(self) -> None:
        """Delete published outbox rows, so that the next owner does not publish them again, and store how far
        this process has published, so that it notices a log that lost its end."""
        published = self._context.publisher.take_published()
        if not self._context.connection.connected:
            self._context.publisher.return_published(published)
            return
        try:
            connection = await self._context.connection.get()
            committer = self._context.committer
            async with connection.transaction():
                await committer.outbox.delete_batches(connection, published)
            await committer.note_ends(connection, self._context.assignment.claim())
        except Exception as error:
            self._context.publisher.return_published(published)
            get_logger().warning("tidy-failed", why=describe(error))

    async def _pause(self, seconds: float) -> None:
        sleep: asyncio.Future[Any] = asyncio.ensure_future(self._context.clock.sleep(seconds))
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._context.stopping.wait())
        try:
            await asyncio.wait([sleep, stop, self._ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stop.cancel()
