"""Defines ingest's metrics, labelled by kind of request and by reason, never by practice."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.refusal import RefusalReason
from services.ingest.settings import IngestSettings

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)


class RequestKind(StrEnum):
    """The two ways to send ratings."""

    SINGLE = "single"
    BATCH = "batch"


class IngestMetrics:
    """The metrics that ingest adds to those of the runtime."""

    def __init__(self, registry: CollectorRegistry, settings: IngestSettings) -> None:
        self._accepted = Counter(
            "rapport_ingest_accepted",
            "Ratings accepted, each after its acknowledgement by Kafka.",
            registry=registry,
        )
        refused = Counter(
            "rapport_ingest_refused",
            "Ratings, or whole requests, that were refused, by reason.",
            ("reason",),
            registry=registry,
        )
        self._refused = {reason: refused.labels(reason=reason) for reason in RefusalReason}
        dry_runs = Counter(
            "rapport_ingest_dry_runs",
            "Ratings checked with dry_run, by outcome.",
            ("outcome",),
            registry=registry,
        )
        self._dry_run_valid = dry_runs.labels(outcome="valid")
        self._dry_run_refused = dry_runs.labels(outcome="refused")
        self.unacknowledged = Gauge(
            "rapport_ingest_unacknowledged_records",
            "Records sent to Kafka that it has not acknowledged yet.",
            registry=registry,
        )
        self.streams = Gauge(
            "rapport_ingest_open_batches", "Batches that are being received.", registry=registry
        )
        self.acknowledged_seconds = Histogram(
            "rapport_ingest_acknowledged_seconds",
            "Time from sending records to Kafka until the last is acknowledged, or the deadline.",
            buckets=SECONDS,
            registry=registry,
        )
        request = Histogram(
            "rapport_ingest_request_seconds",
            "Time from a request's headers to the end of its response.",
            ("kind",),
            buckets=SECONDS,
            registry=registry,
        )
        self.request_seconds = {kind: request.labels(kind=kind) for kind in RequestKind}
        self.heartbeats = Counter(
            "rapport_ingest_heartbeats", "Heartbeats acknowledged by Kafka.", registry=registry
        )
        self.last_heartbeat = Gauge(
            "rapport_ingest_last_heartbeat_timestamp_seconds",
            "When Kafka last acknowledged a heartbeat on every partition.",
            registry=registry,
        )
        limit = Gauge(
            "rapport_ingest_limit", "The limits set for this replica.", ("limit",), registry=registry
        )
        for name in sorted(type(settings).model_fields):
            value = getattr(settings, name)
            if isinstance(value, int | float):
                limit.labels(limit=name).set(value)

    def accepted(self, ratings: int) -> None:
        """Count accepted ratings."""
        self._accepted.inc(ratings)

    def refused(self, reason: RefusalReason) -> None:
        """Count one refused rating, or one request that is refused as a whole."""
        self._refused[reason].inc()

    def count_dry_run(self, *, valid: int, refused: int) -> None:
        """Count the ratings of a dry run by outcome."""
        self._dry_run_valid.inc(valid)
        self._dry_run_refused.inc(refused)
