"""The detector's metrics: typed, every label value 0 from the start, no practice or client in a label."""

from functools import partial
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Info

from schemas.events import Change, KeptBack, Status
from services.detector.domain.counts import BatchCounts, Count
from services.detector.domain.drift import DriftMonitor
from services.detector.domain.reasons import DeliveryOutcome
from services.detector.domain.reference import QUANTITIES

FORMS = (Status.RATED, Status.DECLINED)


class DetectorMetrics:
    """What the detector counts beside what the runtime counts; raised only for what was committed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ratings = Counter(
            "rapport_ratings",
            "Deliveries of ratings by what became of them when they were read.",
            ["outcome"],
            registry=registry,
        )
        self.published = Counter(
            "rapport_assessments_published", "Assessments whose numbers were new.", registry=registry
        )
        self.refolded = Counter(
            "rapport_dyads_refolded", "Histories folded anew instead of going on.", registry=registry
        )
        self.changes = Counter(
            "rapport_episode_changes", "Changes of episodes.", ["change"], registry=registry
        )
        self.told = Counter(
            "rapport_episode_changes_told",
            "Changes of episodes that are to be told, or why they are kept back.",
            ["told"],
            registry=registry,
        )
        self.sessions = Counter(
            "rapport_sessions_assessed",
            "Sessions assessed for the first time, by whether a form was given.",
            ["form"],
            registry=registry,
        )
        self.flagged = Counter(
            "rapport_sessions_flagged",
            "Sessions that were flagged when they were assessed for the first time.",
            registry=registry,
        )
        self.drift = Gauge(
            "rapport_drift_stability_index",
            "Population stability index of what the shipped model sees, against its training; NaN: too few.",
            ["quantity"],
            registry=registry,
        )
        self.heartbeats = Counter(
            "rapport_heartbeats_scored", "Heartbeats that were handed on.", registry=registry
        )
        self.heartbeats_off = Counter(
            "rapport_heartbeats_off",
            "Heartbeats whose risk was not the one that the model's manifest expects.",
            registry=registry,
        )
        self.last_heartbeat = Gauge(
            "rapport_last_heartbeat_timestamp_seconds",
            "When a heartbeat was last handed on.",
            registry=registry,
        )
        self.last_sweep = Gauge(
            "rapport_last_sweep_timestamp_seconds",
            "When the daily sweep last went over all partitions of this process.",
            registry=registry,
        )
        self.model = Info("rapport_model", "The model that scores by default.", registry=registry)
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
        """Ask for the indices of drift when somebody looks."""
        for quantity in QUANTITIES:
            self.drift.labels(quantity=quantity).set_function(partial(drift.index, quantity))

    def add(self, counts: BatchCounts, at_s: float) -> None:
        """Take over what happened in a batch that was committed at `at_s` (seconds since 1970)."""
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
        self.flagged.inc(counts[Count.FLAGGED])
        self.heartbeats_off.inc(counts[Count.HEARTBEATS_OFF])
        if counts[Count.HEARTBEATS]:
            self.heartbeats.inc(counts[Count.HEARTBEATS])
            self.last_heartbeat.set(at_s)
