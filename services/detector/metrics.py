"""The detector's metrics. Every label value is 0 at start; no label names a practice or a client."""

from collections.abc import Iterable
from functools import partial
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from schemas.events import FORM_STATUSES, Change, KeptBack, Status
from services.detector.domain.assessment import Assessment
from services.detector.domain.outcomes import BatchCounts, Count, DeliveryOutcome
from services.detector.domain.reference import QUANTITIES, DriftMonitor
from services.runtime.process.metrics import timestamp

RISKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1)
FORMS = sorted(FORM_STATUSES)


class DetectorMetrics:
    """The detector's own metrics, updated only after a transaction is committed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ratings = Counter(
            "rapport_ratings",
            "Deliveries of ratings by outcome at first reading.",
            ["outcome"],
            registry=registry,
        )
        self.published = Counter(
            "rapport_assessments_published",
            "Assessments published because their numbers were new.",
            registry=registry,
        )
        self.refolded = Counter(
            "rapport_dyads_refolded",
            "Dyads whose whole history was read again instead of continuing from a snapshot.",
            registry=registry,
        )
        self.changes = Counter(
            "rapport_episode_changes", "Changes of episodes by kind.", ["change"], registry=registry
        )
        self.told = Counter(
            "rapport_episode_changes_told",
            "Changes of episodes passed on to the notifier as told, or kept back by reason.",
            ["told"],
            registry=registry,
        )
        self.sessions = Counter(
            "rapport_sessions_assessed",
            "Sessions assessed for the first time: rated, or with a declined form.",
            ["form"],
            registry=registry,
        )
        self.cancelled = Counter(
            "rapport_appointments_cancelled",
            "Appointments that were sent as cancelled; they are no sessions, and no form was declined.",
            registry=registry,
        )
        self.flagged = Counter(
            "rapport_sessions_flagged",
            "Sessions flagged at their first assessment.",
            registry=registry,
        )
        self.risk = Histogram(
            "rapport_session_risk",
            "Risks of sessions at their first assessment by the shipped model.",
            buckets=RISKS,
            registry=registry,
        )
        self.episodes_open = Gauge(
            "rapport_episodes_open",
            "Courses of therapy with an open episode; NaN: another detector looks.",
            registry=registry,
        )
        self.episodes_open.set(nan)
        self.drift = Gauge(
            "rapport_drift_stability_index",
            "Population stability index of recent data against the shipped model's training; NaN: too few.",
            ["quantity"],
            registry=registry,
        )
        self.heartbeats = Counter(
            "rapport_heartbeats_scored", "Heartbeats scored and passed on.", registry=registry
        )
        self.heartbeats_off = Counter(
            "rapport_heartbeats_off",
            "Heartbeats whose risk differed from the one in the model's manifest.",
            registry=registry,
        )
        self.last_heartbeat = timestamp(
            "rapport_last_heartbeat_timestamp_seconds",
            "When a heartbeat was last passed on.",
            registry=registry,
        )
        self.last_sweep = timestamp(
            "rapport_last_sweep_timestamp_seconds",
            "When the daily sweep last finished all partitions of this process.",
            registry=registry,
        )
        self.blocked_since = timestamp(
            "rapport_blocked_oldest_timestamp_seconds",
            "When the rating or answer that has waited longest was read; NaN: none waits, or another detector"
            " looks.",
            registry=registry,
        )
        self.sandbox_erased = timestamp(
            "rapport_sandbox_erased_timestamp_seconds",
            "When the sandbox that was erased or added longest ago was; NaN: there is none, or another"
            " detector looks.",
            registry=registry,
        )
        self.model = Info(
            "rapport_model",
            "The model that scores practices without a model of their own.",
            registry=registry,
        )
        for outcome in DeliveryOutcome:
            self.ratings.labels(outcome=outcome)
        for change in Change:
            self.changes.labels(change=change)
        for told in (Count.TOLD, *KeptBack):
            self.told.labels(told=told)
        for form in FORMS:
            self.sessions.labels(form=form)
        for quantity in QUANTITIES:
            self.drift.labels(quantity=quantity).set(nan)

    def watch(self, drift: DriftMonitor) -> None:
        """Compute the drift indices whenever the metrics are read."""
        for quantity in QUANTITIES:
            self.drift.labels(quantity=quantity).set_function(partial(drift.index, quantity))

    def observe_risks(self, assessments: Iterable[Assessment]) -> None:
        """Count the risks of sessions that were assessed for the first time."""
        for assessment in assessments:
            self.risk.observe(assessment.risk)

    def add(self, counts: BatchCounts, at_s: float) -> None:
        """Add the counts of a batch that was committed at `at_s` (seconds since 1970)."""
        for outcome in DeliveryOutcome:
            self.ratings.labels(outcome=outcome).inc(counts[outcome])
        for change in Change:
            self.changes.labels(change=change).inc(counts[change])
        for told in (Count.TOLD, *KeptBack):
            self.told.labels(told=told).inc(counts[told])
        self.published.inc(counts[Count.PUBLISHED])
        self.refolded.inc(counts[Count.REFOLDED])
        for form in FORMS:
            self.sessions.labels(form=form).inc(counts[form])
        self.cancelled.inc(counts[Status.CANCELLED])
        self.flagged.inc(counts[Count.FLAGGED])
        self.heartbeats_off.inc(counts[Count.HEARTBEATS_OFF])
        if counts[Count.HEARTBEATS]:
            self.heartbeats.inc(counts[Count.HEARTBEATS])
            self.last_heartbeat.set(at_s)
