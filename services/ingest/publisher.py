"""Records in, acknowledged within the deadline or not; over one connection, made again when it fails."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from schemas import topics
from schemas.ids import PracticeId
from services.ingest.metrics import IngestMetrics
from services.ingest.quota import Shares
from services.runtime.http.health import STARTING, Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.log import get_logger

CHECK = "kafka"
LOOP = "connection"
LOOK_S = 0.5
LONGEST_PAUSE_S = 5.0


class Publisher:
    """Hands records to Kafka and counts them until they are settled, also those nobody waits for any more."""

    def __init__(
        self,
        producer: Producer,
        *,
        expected_partitions: int,
        deadline_s: float,
        shares: Shares,
        clock: Clock,
        health: Health,
        metrics: IngestMetrics,
    ) -> None:
        self._producer = producer
        self._deadline_s = deadline_s
        self._shares = shares
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self.partitions = expected_partitions
        self._stopping = asyncio.Event()
        self._why_bad: str | None = STARTING
        self._settling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the connection, until stopped: made again with growing pauses when it fails."""
        backoff, pause_s = Backoff(first_s=2 * LOOK_S, cap_s=LONGEST_PAUSE_S), LOOK_S
        while not self._stopping.is_set():
            self._health.beat(LOOP)
            if not self._producer.ready:
                if await self._connect():
                    backoff.reset()
                    pause_s = LOOK_S
                else:
                    pause_s = backoff.next_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
        self._health.end_loop(LOOP)

    async def stop(self) -> None:
        """Look after the connection no longer; it lasts until `close`, for requests still being answered."""
        self._stopping.set()

    async def close(self) -> None:
        """Disconnect, after the last request was answered."""
        await self._producer.stop()
        for task in list(self._settling):
            task.cancel()

    async def publish(self, practice: PracticeId, records: Sequence[Outgoing]) -> list[bool]:
        """Publish a practice's records, in their order; for each, whether it was acknowledged in time.

        Those that were not may still reach the log: sent again with the same id, they count once.
        """
        self._shares.hand_over(practice, len(records))
        self._metrics.unacknowledged.set(self._shares.unacknowledged)
        futures: list[asyncio.Future[Any]] = []
        task = asyncio.create_task(self._settle(practice, records, futures))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        with self._metrics.acknowledged_seconds.time():
            await asyncio.wait([task], timeout=self._deadline_s)
        acknowledged = [_acknowledged(future) for future in futures]
        acknowledged += [False] * (len(records) - len(futures))
        if all(acknowledged):
            self._show(None)
        elif futures or not task.done():  # otherwise there is no connection, and the reason is shown already
            self._show(f"no acknowledgement within {self._deadline_s:g} s")
        return acknowledged

    async def _connect(self) -> bool:
        topic = topics.SESSION_RATED.name
        try:
            await self._producer.start()
            found = await self._producer.partitions(topic)
        except Retry as error:
            self._show(str(error))
            return False
        if found != self.partitions:
            raise Halt(
                f"{topic} has {found} partitions and must have {self.partitions}, or ratings of one client "
                "lose their order; see `rapport topics check`"
            )
        self._show(None)
        return True

    def _show(self, why_bad: str | None) -> None:
        if why_bad == self._why_bad:
            return
        self._why_bad = why_bad
        if why_bad is None:
            get_logger().info("kafka-acknowledges")
            self._health.set_good(CHECK)
        else:
            get_logger().warning("kafka-does-not-acknowledge", why=why_bad)
            self._health.set_bad(CHECK, why_bad)

    async def _settle(
        self, practice: PracticeId, records: Sequence[Outgoing], futures: list[asyncio.Future[Any]]
    ) -> None:
        try:
            with contextlib.suppress(Retry):  # nothing was handed over, and `futures` says so
                futures += await self._producer.enqueue(records)
            await self._producer.wait_acknowledged(futures)
        finally:
            self._shares.settle(practice, len(records))
            self._metrics.unacknowledged.set(self._shares.unacknowledged)


def _acknowledged(future: asyncio.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
