"""One session with Kafka: from reaching it to losing it or being stopped; batches are taken in between."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiokafka.errors import KafkaError

from services.runtime.consumer.batch_processor import BatchProcessor
from services.runtime.consumer.consumer_context import LOOP, ConsumerContext
from services.runtime.consumer.partition_setup import prepare
from services.runtime.consumer.startup_checks import reach
from services.runtime.consumer.watchdog import Watchdog
from services.runtime.kafka.record import TopicPartition
from services.runtime.kafka.subscription import RawBatch, Subscription
from services.runtime.process.backoff import Backoff
from services.runtime.process.errors import Halt
from services.runtime.process.log import describe, get_logger
from services.runtime.process.metrics import RetryReason
from services.runtime.process.retry_reason import retry_reason


class KafkaSession:
    """Reads for as long as Kafka is there; what ends it early is raised from `run`."""

    def __init__(self, parts: ConsumerContext) -> None:
        self._parts = parts
        self._subscription = Subscription(
            parts.kafka,
            parts.topics,
            parts.group,
            self,
            max_records=parts.max_records,
            batch_timeout_ms=parts.batch_timeout_ms,
        )
        # Held while a batch is processed and its offsets are committed, while partitions are prepared, and
        # while they are taken away: a rebalance runs beside us and must find no batch half done.
        self._lock = asyncio.Lock()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._taking = BatchProcessor(parts, self._subscription, self._hold)
        self._wanted = asyncio.Event()
        self._stamp = -1
        self.joined = False
        """Kafka has told which partitions are ours, be it none."""
        self.polled_at = parts.clock.monotonic()

    @property
    def subscription(self) -> Subscription:
        """The live subscription."""
        return self._subscription

    @property
    def busy(self) -> bool:
        """A batch is in flight, or partitions are being prepared or given up."""
        return self._lock.locked()

    async def run(self) -> None:
        """Reach Kafka and the database, join the group, and read until stopped.

        Raises:
            Halt: a person must act.
            Exception: one that `retry_reason` knows: begin a new session after a pause.
        """
        parts = self._parts
        stopped: asyncio.Future[Any] = asyncio.ensure_future(parts.stopping.wait())
        reaching = asyncio.create_task(reach(parts), name="reach")
        await asyncio.wait([stopped, reaching], return_when=asyncio.FIRST_COMPLETED)
        if not reaching.done():
            reaching.cancel()
            await asyncio.gather(reaching, return_exceptions=True)
            return
        if reaching.exception() is not None:
            stopped.cancel()
            reaching.result()
        preparing = asyncio.create_task(self._keep_prepared(), name="prepare")
        joining = asyncio.create_task(self._subscription.start(), name="join")
        watching = asyncio.create_task(Watchdog(self, parts).run(), name="watch")
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
            self._ended.exception()  # it is raised from run(), and need not be reported as forgotten

    async def batch(self, raw: RawBatch) -> None:
        """Take one batch through the order of effects, or read it again later."""

        async def take() -> float:
            if self._stamp != self._parts.assignment.generation:
                # It was read before partitions moved: some may have been sought elsewhere since.
                self._subscription.rewind(self._parts.assignment.applied)
                return 0.0
            return await self._taking.take(raw)

        await self._guarded(take)

    async def _guarded(self, work: Callable[[], Awaitable[float]]) -> None:
        """Do this alone, unless we are to stop; then pause for as many seconds as it says."""
        async with self._lock:
            if self._ended.done() or self._parts.stopping.is_set():
                return
            try:
                pause_s = await work()
            except BaseException as error:
                self.end(error)
                raise
        if pause_s:
            await self._pause(pause_s)

    async def revoked(self, places: frozenset[TopicPartition]) -> None:
        """Let the batch in flight finish, then give the partitions up."""
        async with self._lock:
            await self._drop()
            if places:
                await self._tidy()
            self._parts.assignment.lost()

    def assigned(self, places: frozenset[TopicPartition]) -> None:
        """Take note of the partitions; they are read when they are prepared."""
        self.joined = True
        self._parts.metrics.rebalances.inc()
        self._parts.assignment.given(places)
        self._hold()

    async def polled(self, records: int) -> None:
        """The loop went round; with nothing to read, what is under way is awaited."""
        self._stamp = self._parts.assignment.generation
        self.polled_at = self._parts.clock.monotonic()
        self._parts.health.beat(LOOP)
        if not records and self._taking.under_way:
            await self._guarded(self._taking.end)

    def failed(self, error: KafkaError) -> None:
        """Reading failed."""
        self._taking.note(error, RetryReason.KAFKA)

    async def _leave(self, tasks: Sequence[asyncio.Future[Any]]) -> None:
        # The batch in flight first: stop() waits for it, then leaves the group.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with self._lock:
            await self._drop()  # it needs the client that is stopped next
        with contextlib.suppress(Exception):
            async with asyncio.timeout(45):
                await self._subscription.stop()
        async with self._lock:
            # After a fault that nobody foresaw, what is stored stays as it is: the next owner sorts it out.
            if not self._ended.done() or isinstance(self._ended.exception(), Exception):
                await self._tidy()
            self._parts.assignment.lost()

    async def _drop(self) -> None:
        error = await self._taking.drop()
        if error is not None and not isinstance(error, Exception):
            self.end(error)

    async def _keep_prepared(self) -> None:
        parts = self._parts
        backoff = Backoff()
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while True:
                try:
                    async with self._lock:
                        await prepare(
                            await parts.link.get(),
                            self._subscription.consumer,
                            assignment=parts.assignment,
                            committer=parts.committer,
                            publisher=parts.publisher,
                            adopt=parts.kafka.embedded,
                        )
                    break
                except Halt:
                    raise
                except Exception as error:
                    self._taking.note(error, retry_reason(error) or RetryReason.OTHER)
                    await parts.drop_links()
                parts.health.beat(LOOP)
                await self._pause(backoff.next_s())
            backoff.reset()
            for name in ("kafka", "database", "consumer"):
                parts.health.set_good(name)

    def _hold(self) -> None:
        """Read nothing until everything assigned is prepared."""
        self._subscription.pause(self._parts.assignment.assigned)
        self._wanted.set()

    async def _tidy(self) -> None:
        """Delete what was published, so that the next owner does not publish it again."""
        published = self._parts.publisher.take_published()
        if not published or not self._parts.link.connected:
            self._parts.publisher.give_back(published)
            return
        try:
            conn = await self._parts.link.get()
            async with conn.transaction():
                await self._parts.committer.outbox.delete(conn, published)
        except Exception as error:
            self._parts.publisher.give_back(published)
            get_logger().warning("tidy-failed", why=describe(error))

    async def _pause(self, seconds: float) -> None:
        sleep: asyncio.Future[Any] = asyncio.ensure_future(self._parts.clock.sleep(seconds))
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._parts.stopping.wait())
        try:
            await asyncio.wait([sleep, stop, self._ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stop.cancel()
