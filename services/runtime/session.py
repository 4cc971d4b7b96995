"""One session with Kafka: from reaching it to losing it or being stopped; batches are taken in between."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.runtime.backoff import Backoff
from services.runtime.commit_offsets import commit_offsets
from services.runtime.errors import Halt
from services.runtime.log import describe, get_logger
from services.runtime.metrics import RetryReason
from services.runtime.parts import LOOP, Parts
from services.runtime.positions import Fenced
from services.runtime.prepare import prepare, rewind
from services.runtime.reach import reach
from services.runtime.record import Place, Record
from services.runtime.subscribe import RawBatch, Subscription
from services.runtime.transient import retry_reason
from services.runtime.watch import Watch


class Session:
    """Reads for as long as Kafka is there; what ends it early is raised from `run`."""

    def __init__(self, parts: Parts) -> None:
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
        watching = asyncio.create_task(Watch(self, parts).run(), name="watch")
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
        pause_s = 0.0
        async with self._lock:
            if self._ended.done() or self._parts.stopping.is_set():
                return
            if self._stamp != self._parts.assignment.generation:
                # It was read before partitions moved: some may have been sought elsewhere since.
                self._rewind(self._parts.assignment.applied)
                return
            try:
                pause_s = await self._take(raw)
            except BaseException as error:
                self.end(error)
                raise
        if pause_s:
            await self._pause(pause_s)

    async def revoked(self, places: frozenset[Place]) -> None:
        """Let the batch in flight finish, then give the partitions up."""
        async with self._lock:
            if places:
                await self._tidy()
            self._parts.assignment.lost()

    def assigned(self, places: frozenset[Place]) -> None:
        """Take note of the partitions; they are read when they are prepared."""
        self.joined = True
        self._parts.metrics.rebalances.inc()
        self._parts.assignment.given(places)
        self._hold()

    def polled(self) -> None:
        """The loop went round."""
        self._stamp = self._parts.assignment.generation
        self.polled_at = self._parts.clock.monotonic()
        self._parts.health.beat(LOOP)

    def failed(self, error: KafkaError) -> None:
        """Reading failed."""
        self._note(error, RetryReason.KAFKA)

    async def _leave(self, tasks: Sequence[asyncio.Future[Any]]) -> None:
        # The batch in flight first: stop() waits for it, then leaves the group.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(45):
                await self._subscription.stop()
        async with self._lock:
            # After a fault that nobody foresaw, what is stored stays as it is: the next owner sorts it out.
            if not self._ended.done() or isinstance(self._ended.exception(), Exception):
                await self._tidy()
            self._parts.assignment.lost()

    async def _take(self, raw: RawBatch) -> float:
        parts = self._parts
        ours = parts.assignment.epochs
        records = [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in raw
            if (r.topic, r.partition) in ours
        ]
        if not records:
            return 0.0
        starts: dict[Place, int] = {}
        for record in records:
            starts.setdefault((record.topic, record.partition), record.offset)
        for topic, number in Counter(record.topic for record in records).items():
            parts.metrics.records_read.labels(topic=topic).inc(number)
        parts.metrics.batch_records.observe(len(records))
        try:
            with parts.metrics.batch_seconds.time():
                conns = [await link.get() for link in parts.links]
                await parts.effects.take(conns, records, self._commit)
        except Fenced as fenced:
            parts.assignment.fence(fenced.places)
            parts.health.set_bad("consumer", str(fenced))
            get_logger().error("partitions-lost", why=str(fenced))
            self._pause_reading(fenced.places)
            self._rewind(parts.assignment.applied)
            return 0.0
        except Halt:
            raise
        except Exception as error:
            return await self._recover(error, starts)
        parts.backoff.reset()
        parts.metrics.last_batch.set(parts.clock.now().timestamp())
        for name in ("kafka", "database", "consumer"):
            parts.health.set_good(name)
        parts.health.beat(LOOP)
        return 0.0

    async def _recover(self, error: Exception, starts: Mapping[Place, int]) -> float:
        reason = retry_reason(error)
        # An exception nobody expected must not lose records either: it is shown, and the batch read again.
        self._note(error, reason or RetryReason.OTHER, unexpected=reason is None)
        if reason in {RetryReason.KAFKA, RetryReason.PUBLISH}:
            self._rewind(starts)
        else:
            # The last commit may or may not have reached the database: ask it, as after an assignment.
            await self._parts.drop_links()
            self._parts.assignment.distrust()
            self._hold()
        return self._parts.backoff.next_s()

    async def _commit(self, next_offsets: Mapping[Place, int]) -> None:
        parts = self._parts
        await commit_offsets(self._subscription.consumer, next_offsets, parts.metrics, parts.health)

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
                    self._note(error, retry_reason(error) or RetryReason.OTHER)
                    await parts.drop_links()
                parts.health.beat(LOOP)
                await self._pause(backoff.next_s())
            backoff.reset()
            for name in ("kafka", "database", "consumer"):
                parts.health.set_good(name)

    def _hold(self) -> None:
        """Read nothing until everything assigned is prepared."""
        self._pause_reading(self._parts.assignment.assigned)
        self._wanted.set()

    def _pause_reading(self, places: Iterable[Place]) -> None:
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile
            self._subscription.consumer.pause(*(TopicPartition(*place) for place in places))

    def _rewind(self, offsets: Mapping[Place, int]) -> None:
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile: it is sought when it comes back
            rewind(self._subscription.consumer, offsets)

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

    def _note(self, error: Exception, reason: RetryReason, *, unexpected: bool = False) -> None:
        parts = self._parts
        parts.metrics.retries.labels(reason=reason).inc()
        if reason is not RetryReason.PUBLISH:  # the publisher says so itself, and when it works again
            name = {RetryReason.DATABASE: "database", RetryReason.OTHER: "consumer"}.get(reason, "kafka")
            parts.health.set_bad(name, describe(error))
        if unexpected:
            get_logger().error("batch-failed-unexpectedly", exc_info=error)
        else:
            get_logger().warning("surroundings-failed", reason=reason, why=describe(error))

    async def _pause(self, seconds: float) -> None:
        sleep: asyncio.Future[Any] = asyncio.ensure_future(self._parts.clock.sleep(seconds))
        stop: asyncio.Future[Any] = asyncio.ensure_future(self._parts.stopping.wait())
        try:
            await asyncio.wait([sleep, stop, self._ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stop.cancel()
