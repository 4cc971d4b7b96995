"""Defines ingest's metrics, labelled by kind of request and by reason, never by practice."""

from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.ingest.refusal import RefusalReason, whose_fault
from services.runtime.process.metrics import timestamp

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)


class RequestKind(StrEnum):
    """The two ways to send ratings."""

    SINGLE = "single"
    BATCH = "batch"


class IngestMetrics:
    """The metrics that ingest adds to those of the runtime."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._accepted = Counter(
            "rapport_ingest_accepted",
            "Ratings accepted, each after its acknowledgement by Kafka.",
            registry=registry,
        )
        refused = Counter(
            "rapport_ingest_refused",
            "Ratings that were refused, by reason and by whose fault it is.",
            ("reason", "whose"),
            registry=registry,
        )
        self._refused = {reason: refused.labels(reason, whose_fault(reason)) for reason in RefusalReason}
        requests = Counter(
            "rapport_ingest_requests_refused",
            "Whole requests that were refused or stopped, by reason and by whose fault it is.",
            ("reason", "whose"),
            registry=registry,
        )
        self._refused_requests = {
            reason: requests.labels(reason, whose_fault(reason)) for reason in RefusalReason
        }
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
        self.last_heartbeat = timestamp(
            "rapport_ingest_last_heartbeat_timestamp_seconds",
            "When Kafka last acknowledged a heartbeat on every partition.",
            registry=registry,
        )

    def accepted(self, ratings: int) -> None:
        """Count accepted ratings."""
        self._accepted.inc(ratings)

    def refused(self, reason: RefusalReason) -> None:
        """Count one refused rating."""
        self._refused[reason].inc()

    def refused_request(self, reason: RefusalReason) -> None:
        """Count one request that is refused as a whole, or ended before all of it was read."""
        self._refused_requests[reason].inc()

    def count_dry_run(self, *, valid: int, refused: int) -> None:
        """Count the ratings of a dry run by outcome."""
        self._dry_run_valid.inc(valid)
        self._dry_run_refused.inc(refused)
