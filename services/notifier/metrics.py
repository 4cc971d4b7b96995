"""Defines the notifier's metrics; every label value exists from the start, and none names a person."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from schemas.events import Answer, HeartbeatSent
from schemas.topics import EPISODE_CHANGED
from services.notifier.channels.channel import OUTGOING, Channel, DeliveryReason
from services.notifier.directory.store import Connection
from services.notifier.domain.decision import DecisionOutcome, DecisionReason, PlannedNotification, outcome_of
from services.notifier.domain.delivery import OPEN_STATES, DeliveryState
from services.notifier.domain.feed import FEWEST_GAPS
from services.runtime.process.metrics import timestamp
from services.runtime.process.sandbox import IN_SANDBOX

OVERDUE_AFTER = timedelta(minutes=15)
DELIVERY_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
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
            "Delivery attempts, by channel and resulting state; without those that failed of sandboxes.",
            ["channel", "state"],
            registry=registry,
        )
        self.open_deliveries = Gauge(
            "rapport_deliveries_open",
            "Deliveries that are due and still to be attempted, by channel; without those of sandboxes.",
            ["channel"],
            registry=registry,
        )
        self.oldest_open = timestamp(
            "rapport_delivery_oldest_open_timestamp_seconds",
            "When the oldest delivery that is still to be attempted became due; NaN when there is none.",
            registry=registry,
        )
        self.deliveries_overdue = Gauge(
            "rapport_deliveries_overdue",
            "Deliveries that have been due for over 15 minutes and are still to be attempted, by channel;"
            " without those of sandboxes.",
            ["channel"],
            registry=registry,
        )
        self.delivery_seconds = Histogram(
            "rapport_delivery_seconds",
            "From when a delivery was due until it was sent, by channel.",
            ["channel"],
            buckets=DELIVERY_BUCKETS_S,
            registry=registry,
        )
        self.delivery_failures = Counter(
            "rapport_delivery_failures",
            "Delivery attempts that failed, for now or for good, by channel and reason.",
            ["channel", "reason"],
            registry=registry,
        )
        self.silent_practices = Gauge(
            "rapport_practices_silent",
            "Practices that have sent no ratings for more than three times their usual gap.",
            registry=registry,
        )
        self.expected_practices = Gauge(
            "rapport_practices_expected",
            "Practices that are known to send ratings regularly, silent or not.",
            registry=registry,
        )
        self.told = Counter(
            "rapport_therapists_told",
            "Changes that were stored in the inbox of a therapist.",
            registry=registry,
        )
        self.heartbeat_seconds = Histogram(
            "rapport_heartbeat_seconds",
            "From sending a heartbeat until it has passed every stage; one of each replica of ingest.",
            buckets=DECISION_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.decision_latency = Histogram(
            "rapport_accepted_to_told_seconds",
            "Seconds from the acceptance of a rating until its change is stored in the therapist's inbox.",
            buckets=DECISION_LATENCY_BUCKETS_S,
            registry=registry,
        )
        self.heartbeat = Gauge(
            "rapport_heartbeat_minute_timestamp_seconds",
            "Minute of the newest heartbeat that has passed every stage, by partition; NaN: none yet.",
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
        """Count the decisions of a batch that were committed at `now`."""
        for notification in notifications:
            event = notification.event
            if isinstance(event, HeartbeatSent):
                self.decisions.labels(
                    "none", DecisionOutcome.SUPPRESSED.value, DecisionReason.HEARTBEAT.value
                ).inc()
                self.heartbeat_seconds.observe(_seconds_since(event.sent_at, now))
                continue
            for channel, reason in notification.plan.items():
                self.decisions.labels(channel.value, outcome_of(reason).value, reason.value).inc()
            if notification.goes_to(Channel.INBOX):
                self.told.inc()
                self.decision_latency.observe(_seconds_since(event.accepted_at, now))

    async def measure(self, conn: Connection, now: datetime) -> None:
        """Read the gauges from the tables, so that they are right in every process."""
        rows = await conn.execute(
            "SELECT channel, count(*), count(*) FILTER (WHERE due_at <= %s),"
            " extract(epoch FROM min(due_at))::float FROM notifier.delivery"
            f" WHERE state = ANY(%s) AND due_at <= %s AND NOT {IN_SANDBOX.format(column='practice_id')}"
            " GROUP BY channel",
            (now - OVERDUE_AFTER, list(OPEN_STATES), now),
        )
        waiting = {channel: figures for channel, *figures in await rows.fetchall()}
        for outgoing in OUTGOING:
            due, overdue, _ = waiting.get(outgoing.value, (0, 0, nan))
            self.open_deliveries.labels(outgoing.value).set(due)
            self.deliveries_overdue.labels(outgoing.value).set(overdue)
        self.oldest_open.set(min((oldest for *_, oldest in waiting.values()), default=nan))
        rows = await conn.execute(
            "SELECT (SELECT count(*) FROM notifier.feed_silence WHERE ended_on IS NULL),"
            " (SELECT count(*) FROM (SELECT FROM notifier.feed_day GROUP BY practice_id HAVING count(*) > %s)"
            " AS regular)",
            (FEWEST_GAPS,),
        )
        for silent, expected in await rows.fetchall():
            self.silent_practices.set(silent)
            self.expected_practices.set(expected)
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
            self.deliveries_overdue.labels(outgoing.value)
            self.delivery_seconds.labels(outgoing.value)
            for failure in DeliveryReason:
                self.delivery_failures.labels(outgoing.value, failure.value)
            for state in DeliveryState:
                self.attempts.labels(outgoing.value, state.value)
        # A partition that does not exist would have no heartbeat for ever.
        for partition in range(partitions):
            self.heartbeat.labels(str(partition)).set(nan)
            self.heartbeat_wrong.labels(str(partition))
        for answer in Answer:
            self.answers.labels(answer.value)


def _seconds_since(began: datetime, now: datetime) -> float:
    # Clocks of two machines may differ by a little.
    return max(0.0, (now - began).total_seconds())
