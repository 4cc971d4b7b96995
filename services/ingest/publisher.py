"""Publishes records to Kafka, says which were acknowledged in time, and reconnects after failures."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from schemas import topics
from schemas.ids import PracticeId
from services.ingest.metrics import IngestMetrics
from services.ingest.quota import Quotas
from services.runtime.http.health import STARTING, Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.log import get_logger

CHECK = "kafka"
LOOP = "connection"
CHECK_S = 0.5
MAX_PAUSE_S = 5.0


class Publisher:
    """Sends records and counts each until it is settled, also after its caller has stopped waiting."""

    def __init__(
        self,
        producer: Producer,
        *,
        expected_partitions: int,
        deadline_s: float,
        quotas: Quotas,
        clock: Clock,
        health: Health,
        metrics: IngestMetrics,
    ) -> None:
        self._producer = producer
        self._deadline_s = deadline_s
        self._quotas = quotas
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self.partitions = expected_partitions
        self._stopping = asyncio.Event()
        self._fault: str | None = STARTING
        self._settling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep connected until stopped; reconnect with growing pauses after a failure."""
        backoff, pause_s = Backoff(first_s=2 * CHECK_S, cap_s=MAX_PAUSE_S), CHECK_S
        while not self._stopping.is_set():
            self._health.beat(LOOP)
            if not self._producer.ready:
                if await self._connect():
                    backoff.reset()
                    pause_s = CHECK_S
                else:
                    pause_s = backoff.next_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
        self._health.end_loop(LOOP)

    async def stop(self) -> None:
        """Stop reconnecting. The connection stays until `close`, for requests still being processed."""
        self._stopping.set()

    async def close(self) -> None:
        """Disconnect; call it after the last response."""
        await self._producer.stop()
        for task in list(self._settling):
            task.cancel()

    async def publish(self, practice: PracticeId, records: Sequence[Outgoing]) -> list[bool]:
        """Publish a practice's records in order; return for each whether it was acknowledged in time.

        A record that was not may still reach the log; sent again with the same id, it counts once.
        """
        self._quotas.hand_over(practice, len(records))
        self._metrics.unacknowledged.set(self._quotas.unacknowledged)
        futures: list[asyncio.Future[Any]] = []
        task = asyncio.create_task(self._settle(practice, records, futures))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)
        with self._metrics.acknowledged_seconds.time():
            await asyncio.wait([task], timeout=self._deadline_s)
        acknowledged = [_acknowledged(future) for future in futures]
        acknowledged += [False] * (len(records) - len(futures))
        if all(acknowledged):
            self._report(None)
        elif futures or not task.done():  # otherwise there is no connection, which is reported already
            self._report(f"no acknowledgement within {self._deadline_s:g} s")
        return acknowledged

    async def _connect(self) -> bool:
        try:
            await self._producer.start()
            partitions = {lane.name: await self._producer.partitions(lane.name) for lane in topics.LANES}
        except Retry as error:
            self._report(str(error))
            return False
        for topic, number in partitions.items():
            if number != self.partitions:
                raise Halt(
                    f"{topic} has {number} partitions but must have {self.partitions}, so that the ratings "
                    "of a client stay in order; see `rapport topics check`"
                )
        self._report(None)
        return True

    def _report(self, fault: str | None) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        if fault is None:
            get_logger().info("kafka-acknowledges")
            self._health.set_good(CHECK)
        else:
            get_logger().warning("kafka-does-not-acknowledge", why=fault)
            self._health.set_bad(CHECK, fault)

    async def _settle(
        self, practice: PracticeId, records: Sequence[Outgoing], futures: list[asyncio.Future[Any]]
    ) -> None:
        try:
            with contextlib.suppress(Retry):  # nothing was sent, and `futures` stays empty
                futures += await self._producer.enqueue(records)
            await self._producer.wait_acknowledged(futures)
        finally:
            self._quotas.settle(practice, len(records))
            self._metrics.unacknowledged.set(self._quotas.unacknowledged)


def _acknowledged(future: asyncio.Future[Any]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
