"""Defines the notifier's metrics; every label value exists from the start, and none names a person."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.events import Answer
from schemas.topics import EPISODE_CHANGED
from services.notifier.channels.channel import OUTGOING, Channel
from services.notifier.directory.store import Connection
from services.notifier.domain.decision import DecisionOutcome, DecisionReason, PlannedNotification, outcome_of
from services.notifier.domain.delivery import OPEN_STATES, DeliveryState

DECISION_LATENCY_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600)


class NotifierMetrics:
    """The notifier's own metrics, beside those of the runtime."""

    def __init__(self, registry: CollectorRegistry, *, partitions: int = EPISODE_CHANGED.partitions) -> None:
        self.decisions = Counter(
            "rapport_decisions",
            "Decisions to notify or to hold back, by channel, outcome and reason.",
            ["channel", "outcome", "reason"],
            registry=registry,
        )
        self.attempts = Counter(
            "rapport_delivery_attempts",
            "Delivery attempts, by channel and resulting state.",
            ["channel", "state"],
            registry=registry,
        )
        self.open_deliveries = Gauge(
            "rapport_deliveries_open",
            "Deliveries that are due and still to be attempted, by channel.",
            ["channel"],
            registry=registry,
        )
        self.oldest_open = Gauge(
            "rapport_delivery_oldest_open_timestamp_seconds",
            "When the oldest delivery that is still to be attempted became due; 0 when there is none.",
            registry=registry,
        )
        self.silent_feeds = Gauge(
            "rapport_feeds_silent",
            "Practices that have sent no ratings for more than three times their usual gap.",
            registry=registry,
        )
        self.decision_latency = Histogram(
            "rapport_accepted_to_told_seconds",
            "Seconds from the acceptance of a rating to the decision to notify its therapist.",
            buckets=DECISION_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.heartbeat = Gauge(
            "rapport_heartbeat_minute_timestamp_seconds",
            "Minute of the newest heartbeat that has passed every stage, by partition.",
            ["partition"],
            registry=registry,
        )
        self.heartbeat_wrong = Gauge(
            "rapport_heartbeat_risk_wrong",
            "1 while the risk of the newest heartbeat differs from the expected risk, by partition.",
            ["partition"],
            registry=registry,
        )
        self.answers = Counter(
            "rapport_answers", "Answers of therapists, by answer.", ["answer"], registry=registry
        )
        self._start_at_zero(partitions)

    def count(self, notifications: Iterable[PlannedNotification], now: datetime) -> None:
        """Count the decisions of a batch; called once they are committed."""
        for notification in notifications:
            if notification.change is None:
                self.decisions.labels(
                    "none", DecisionOutcome.SUPPRESSED.value, DecisionReason.HEARTBEAT.value
                ).inc()
                continue
            for channel, reason in notification.plan.items():
                self.decisions.labels(channel.value, outcome_of(reason).value, reason.value).inc()
            if notification.goes_to(Channel.INBOX):
                self.decision_latency.observe(
                    max(0.0, (now - notification.change.accepted_at).total_seconds())
                )

    async def measure(self, conn: Connection, now: datetime) -> None:
        """Read the gauges from the tables, so that they are right in every process."""
        rows = await conn.execute(
            "SELECT channel, count(*), extract(epoch FROM min(due_at))::float FROM notifier.delivery"
            " WHERE state = ANY(%s) AND due_at <= %s GROUP BY channel",
            (list(OPEN_STATES), now),
        )
        waiting = {channel: (count, oldest) for channel, count, oldest in await rows.fetchall()}
        for outgoing in OUTGOING:
            self.open_deliveries.labels(outgoing.value).set(waiting.get(outgoing.value, (0, 0))[0])
        self.oldest_open.set(min((oldest for _, oldest in waiting.values()), default=0))
        rows = await conn.execute("SELECT count(*) FROM notifier.feed_silence WHERE ended_on IS NULL")
        self.silent_feeds.set(sum(count for (count,) in await rows.fetchall()))
        rows = await conn.execute(
            "SELECT partition, extract(epoch FROM minute)::float, risk IS DISTINCT FROM expected_risk"
            " FROM notifier.heartbeat"
        )
        for partition, minute, wrong in await rows.fetchall():
            self.heartbeat.labels(str(partition)).set(minute)
            self.heartbeat_wrong.labels(str(partition)).set(wrong)

    def _start_at_zero(self, partitions: int) -> None:
        for channel in Channel:
            for reason in DecisionReason:
                if reason is not DecisionReason.HEARTBEAT:
                    self.decisions.labels(channel.value, outcome_of(reason).value, reason.value)
        self.decisions.labels("none", DecisionOutcome.SUPPRESSED.value, DecisionReason.HEARTBEAT.value)
        for outgoing in OUTGOING:
            self.open_deliveries.labels(outgoing.value)
            for state in DeliveryState:
                self.attempts.labels(outgoing.value, state.value)
        # A partition that does not exist would have no heartbeat for ever.
        for partition in range(partitions):
            self.heartbeat.labels(str(partition))
            self.heartbeat_wrong.labels(str(partition))
        for answer in Answer:
            self.answers.labels(answer.value)
