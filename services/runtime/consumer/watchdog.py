"""The watch over a session: positions and lag as metrics, and an end to a session that stands still."""

from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from services.runtime.consumer.consumer_context import LOOP, ConsumerContext
from services.runtime.kafka.subscription import Subscription
from services.runtime.process.errors import Retry

EVERY_S = 1.0
SILENT_S = 15.0
"""A broker that is there answers a fetch within half a second, records or not."""
STILL_S = 90.0
"""aiokafka's client may end for good inside; a new session costs little."""


class WatchedSession(Protocol):
    """What the watchdog reads of a session, and how it ends one."""

    joined: bool
    polled_at: float

    @property
    def subscription(self) -> Subscription:
        """The live subscription."""

    @property
    def busy(self) -> bool:
        """Whether a batch is being processed or partitions are being prepared or given up."""

    def end(self, error: BaseException) -> None:
        """End the session with this error."""


class Watchdog:
    """Looks at a session once a second."""

    def __init__(self, session: WatchedSession, parts: ConsumerContext) -> None:
        self._session = session
        self._parts = parts

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._parts.clock.sleep(EVERY_S)
            self.look()

    def look(self) -> None:
        """Look once."""
        parts, session = self._parts, self._session
        if session.busy:
            return
        if parts.clock.monotonic() - session.polled_at > STILL_S:
            session.end(Retry(f"reading stood still for {STILL_S:g} s"))
            return
        answered = self._show_positions()
        if answered is None:
            # A replica that has no partition goes round with nothing to do, and that is all right.
            if session.joined and not parts.assignment.assigned:
                self._progress()
            return
        silent_s = parts.clock.now().timestamp() - answered
        if silent_s > SILENT_S:
            parts.health.set_bad("kafka", f"no answer to a fetch for more than {SILENT_S:g} s")
            return
        parts.health.set_good("kafka")
        self._progress()

    def _progress(self) -> None:
        if self._parts.health.ready:
            self._parts.metrics.last_progress.set(self._parts.clock.now().timestamp())
        self._parts.health.beat(LOOP)

    def _show_positions(self) -> float | None:
        """Export positions and lag; the time of the newest answer to a fetch, if anything is being read."""
        metrics, assignment = self._parts.metrics, self._parts.assignment
        consumer = self._session.subscription.consumer
        newest: float | None = None
        behind = 0
        for (topic, partition), applied in assignment.applied.items():
            labels = {"topic": topic, "partition": partition}
            metrics.position.labels(**labels).set(applied)
            try:
                tp = TopicPartition(topic, partition)
                end, answered_ms = consumer.highwater(tp), consumer.last_poll_timestamp(tp)
            except (AssertionError, IllegalStateError):  # taken away at this moment
                continue
            if end is not None:
                lag = max(0, end - applied)
                behind += lag
                metrics.lag.labels(**labels).set(lag)
            if answered_ms is not None:
                newest = max(newest or 0.0, answered_ms / 1000)
        metrics.caught_up.set(1 if assignment.assigned and not assignment.unprepared and not behind else 0)
        return newest
