"""Exports positions and lag of a session once a second, and ends one that no longer reads, or not alone."""

import asyncio
import contextlib
import itertools
import random
from math import nan
from typing import Protocol

from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.runtime.consumer.consumer_context import CONSUME_LOOP, READING_CHECKS, ConsumerContext
from services.runtime.kafka.subscription import Subscription
from services.runtime.process.errors import Retry

CHECK_EVERY_S = 1.0
FETCH_ANSWER_LIMIT_S = 15.0
"""A reachable broker answers a fetch within half a second, whether or not there are records."""
POLL_LIMIT_S = 90.0
"""aiokafka's client can fail internally for good; a new session is cheap."""
ENDS_EVERY = 5
"""The number of checks from one look at the ends of the logs to the next."""
READ_ENDS_LIMIT_S = 2.0
REJOIN_AFTER_S = (1.0, 5.0)
"""How long partitions of another owner are left alone before the group decides again whose they are."""


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
        self._rejoin_at: float | None = None
        self._ends: dict[TopicPartition, int] = {}

    async def run(self) -> None:
        """Check until cancelled."""
        for number in itertools.count():
            await self._context.clock.sleep(CHECK_EVERY_S)
            if number % ENDS_EVERY == 0:
                await self._read_ends()
            self.check()

    def check(self) -> None:
        """Export positions, update health, and end a session that no longer polls."""
        context, session = self._context, self._session
        answered_at = self._export_positions()
        if self._must_rejoin():
            session.end(Retry("another process took over partitions; this one joins the group again"))
            return
        if session.busy:
            return
        if context.clock.monotonic() - session.polled_at > POLL_LIMIT_S:
            session.end(Retry(f"the Kafka client did not poll for {POLL_LIMIT_S:g} s"))
            return
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

    async def _read_ends(self) -> None:
        # The client learns an end with what it fetches, so under load it knows only an old one.
        consumer = self._session.subscription.consumer
        keys = [TopicPartition(*partition) for partition in self._context.assignment.applied]
        if keys:
            with contextlib.suppress(KafkaError, TimeoutError):  # health shows that Kafka is away
                async with asyncio.timeout(READ_ENDS_LIMIT_S):
                    self._ends = await consumer.end_offsets(keys)

    def _must_rejoin(self) -> bool:
        # Whoever of the two is still a member of the group gets the partitions; at random moments, so that
        # two that took over from each other do not do so again.
        if not self._context.assignment.fenced:
            self._rejoin_at = None
            return False
        now = self._context.clock.monotonic()
        if self._rejoin_at is None:
            self._rejoin_at = now + random.uniform(*REJOIN_AFTER_S)  # noqa: S311 - no secret
        return now >= self._rejoin_at

    def _record_progress(self) -> None:
        # Without records to apply, only these say whether one that came now would be applied.
        if self._context.health.is_good(*READING_CHECKS):
            self._context.metrics.last_progress.set(self._context.clock.now().timestamp())
        self._context.health.beat(CONSUME_LOOP)

    def _export_positions(self) -> float | None:
        """Export positions and lag; return when a fetch was last answered, None when nothing is read."""
        metrics, assignment = self._context.metrics, self._context.assignment
        consumer = self._session.subscription.consumer
        newest: float | None = None
        total_lag, all_known = 0, True
        oldest: dict[str, float] = {}
        for (topic, partition), applied in assignment.applied.items():
            labels = {"topic": topic, "partition": partition}
            metrics.position.labels(**labels).set(applied)
            try:
                key = TopicPartition(topic, partition)
                end, answered_ms = consumer.highwater(key), consumer.last_poll_timestamp(key)
            except (AssertionError, IllegalStateError):  # just revoked
                continue
            end = max((one for one in (end, self._ends.get(key)) if one is not None), default=None)
            if end is None:
                all_known = False
            else:
                lag = max(0, end - applied)
                total_lag += lag
                metrics.lag.labels(**labels).set(lag)
                since_s = assignment.waiting_since.get((topic, partition))
                if lag and since_s is not None:
                    oldest[topic] = min(since_s, oldest.get(topic, since_s))
            if answered_ms is not None:
                newest = max(newest or 0.0, answered_ms / 1000)
        for topic in self._context.source.all:
            metrics.oldest_waiting.labels(topic).set(oldest.get(topic, nan))
        caught_up = assignment.assigned and assignment.applied.keys() == assignment.assigned
        caught_up = caught_up and all_known and not total_lag
        metrics.caught_up.set(1 if caught_up else 0)
        return newest
