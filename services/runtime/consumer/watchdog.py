"""Exports positions and lag of a session once a second, and ends a session that no longer reads."""

from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError

from services.runtime.consumer.consumer_context import CONSUME_LOOP, ConsumerContext
from services.runtime.kafka.subscription import Subscription
from services.runtime.process.errors import Retry

CHECK_EVERY_S = 1.0
FETCH_ANSWER_LIMIT_S = 15.0
"""A reachable broker answers a fetch within half a second, whether or not there are records."""
POLL_LIMIT_S = 90.0
"""aiokafka's client can fail internally for good; a new session is cheap."""


class WatchedSession(Protocol):
    """What the watchdog reads of a session, and how it ends one."""

    assigned_by_kafka: bool
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
    """Checks one session once a second."""

    def __init__(self, session: WatchedSession, context: ConsumerContext) -> None:
        self._session = session
        self._context = context

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self._context.clock.sleep(CHECK_EVERY_S)
            self.check()

    def check(self) -> None:
        """Export positions, update health, and end a session that no longer polls."""
        context, session = self._context, self._session
        if session.busy:
            return
        if context.clock.monotonic() - session.polled_at > POLL_LIMIT_S:
            session.end(Retry(f"the Kafka client did not poll for {POLL_LIMIT_S:g} s"))
            return
        answered_at = self._export_positions()
        if answered_at is None:
            # A replica without partitions polls with nothing to read; that is progress, too.
            if session.assigned_by_kafka and not context.assignment.assigned:
                self._record_progress()
            return
        silent_s = context.clock.now().timestamp() - answered_at
        if silent_s > FETCH_ANSWER_LIMIT_S:
            context.health.set_bad("kafka", f"no answer to a fetch for more than {FETCH_ANSWER_LIMIT_S:g} s")
            return
        context.health.set_good("kafka")
        self._record_progress()

    def _record_progress(self) -> None:
        if self._context.health.ready:
            self._context.metrics.last_progress.set(self._context.clock.now().timestamp())
        self._context.health.beat(CONSUME_LOOP)

    def _export_positions(self) -> float | None:
        """Export positions and lag; return when a fetch was last answered, None when nothing is read."""
        metrics, assignment = self._context.metrics, self._context.assignment
        consumer = self._session.subscription.consumer
        newest: float | None = None
        total_lag = 0
        for (topic, partition), applied in assignment.applied.items():
            labels = {"topic": topic, "partition": partition}
            metrics.position.labels(**labels).set(applied)
            try:
                key = TopicPartition(topic, partition)
                end, answered_ms = consumer.highwater(key), consumer.last_poll_timestamp(key)
            except (AssertionError, IllegalStateError):  # just revoked
                continue
            if end is not None:
                lag = max(0, end - applied)
                total_lag += lag
                metrics.lag.labels(**labels).set(lag)
            if answered_ms is not None:
                newest = max(newest or 0.0, answered_ms / 1000)
        caught_up = assignment.assigned and not assignment.unprepared and not total_lag
        metrics.caught_up.set(1 if caught_up else 0)
        return newest
