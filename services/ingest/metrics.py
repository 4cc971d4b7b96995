"""Ingest's metrics: counts and times by kind of request and reason; none by practice."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.refusal import Reason
from services.ingest.settings import IngestSettings

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)


class Kind(StrEnum):
    """The doors."""

    SINGLE = "single"
    BATCH = "batch"


class IngestMetrics:
    """All metrics that ingest adds to the runtime's."""

    def __init__(self, registry: CollectorRegistry, settings: IngestSettings) -> None:
        self._accepted = Counter(
            "rapport_ingest_accepted",
            "Ratings answered as accepted, each after its acknowledgement.",
            registry=registry,
        )
        refused = Counter(
            "rapport_ingest_refused",
            "Ratings (or whole requests) not accepted, by reason.",
            ("reason",),
            registry=registry,
        )
        self._refused = {reason: refused.labels(reason=reason) for reason in Reason}
        tried = Counter(
            "rapport_ingest_dry_runs",
            "Ratings tried with dry_run, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self._tried_valid = tried.labels(outcome="valid")
        self._tried_refused = tried.labels(outcome="refused")
        self.unacknowledged = Gauge(
            "rapport_ingest_unacknowledged_records",
            "Records handed to Kafka whose acknowledgement is still out.",
            registry=registry,
        )
        self.streams = Gauge("rapport_ingest_open_batches", "Batches being streamed.", registry=registry)
        self.acknowledged_seconds = Histogram(
            "rapport_ingest_acknowledged_seconds",
            "From records handed to Kafka to the last acknowledgement among them, or to the deadline.",
            buckets=SECONDS,
            registry=registry,
        )
        request = Histogram(
            "rapport_ingest_request_seconds",
            "From a request's headers to the end of its answer.",
            ("kind",),
            buckets=SECONDS,
            registry=registry,
        )
        self.request_seconds = {kind: request.labels(kind=kind) for kind in Kind}
        self.heartbeats = Counter(
            "rapport_ingest_heartbeats", "Heartbeats that Kafka acknowledged.", registry=registry
        )
        self.last_heartbeat = Gauge(
            "rapport_ingest_last_heartbeat_timestamp_seconds",
            "When Kafka last acknowledged a heartbeat for every partition.",
            registry=registry,
        )
        limit = Gauge("rapport_ingest_limit", "The limits of this replica.", ("limit",), registry=registry)
        for name in sorted(type(settings).model_fields):
            value = getattr(settings, name)
            if isinstance(value, int | float):
                limit.labels(limit=name).set(value)

    def accepted(self, ratings: int) -> None:
        """Count accepted ratings."""
        self._accepted.inc(ratings)

    def refused(self, reason: Reason) -> None:
        """Count one rating, or one request as a whole, that was not accepted."""
        self._refused[reason].inc()

    def tried(self, *, valid: int, refused: int) -> None:
        """Count what a dry run found."""
        self._tried_valid.inc(valid)
        self._tried_refused.inc(refused)
