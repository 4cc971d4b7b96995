"""Defines the metrics that every service has; each label value is exported as 0 from the start.

Times are exported as timestamps, never as ages; no label names a tenant or a subject.
"""

import sys
from collections.abc import Iterable
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector


class RecordOutcome(StrEnum):
    """What happened to a record that was read."""

    HANDLED = "handled"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    """Delivered again after it was applied: it has no effect and publishes nothing."""


class ConnectionEnd(StrEnum):
    """Why a service ended a connection of its HTTP port by itself."""

    MALFORMED = "malformed"
    """What was sent is not HTTP."""
    HEAD_TOO_LARGE = "head-too-large"
    """The head of a request has too many bytes or headers."""
    HEAD_TOO_SLOW = "head-too-slow"
    """The head of a request was not complete in time."""
    BODY_WITHOUT_CONTENT = "body-without-content"
    """The framing of a body went on and on without bringing any of it."""
    TOO_MANY_REQUESTS = "too-many-requests"
    """Too many requests were sent before the first was answered."""
    TOO_MANY_CONNECTIONS = "too-many-connections"
    """It had waited longest for a request when there was no room for another connection."""
    RESPONSE_NOT_READ = "response-not-read"
    """The caller did not read the response."""


class RetryReason(StrEnum):
    """Which part failed."""

    DATABASE = "database"
    KAFKA = "kafka"
    PUBLISH = "publish"
    TOO_MUCH = "too-much"
    """The work took longer than one transaction may."""
    OTHER = "other"


BATCH_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Metrics:
    """The runtime's metrics of one service; the service registers its own in `registry`."""

    def __init__(
        self, service: str, *, topics: Iterable[str] = (), reject_reasons: Iterable[str] = ()
    ) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._reject_reasons = tuple(dict.fromkeys(("undecodable", "unprocessable", *reject_reasons)))

        build = Info("rapport_build", "Service, version and Python that run.", registry=self.registry)
        build.info({"service": service, "version": _version(), "python": sys.version.split()[0]})
        self.up = self._gauge("rapport_up", "1 while the process runs.")
        self.up.set(1)
        self.ready = self._gauge("rapport_ready", "1 while requests can be answered.")
        self.healthy = self._gauge("rapport_healthy", "1 while every check is good.")
        self.check_good = self._gauge("rapport_check_good", "1 while the named check is good.", "check")

        self.connection_ends = self._counter(
            "rapport_http_connection_ends",
            "Connections that were ended because of a limit, by reason.",
            "reason",
        )
        self.records_read = self._counter("rapport_records_read", "Records read from Kafka.", "topic")
        self.record_outcomes = self._counter(
            "rapport_record_outcomes", "Records handled, rejected or skipped.", "topic", "outcome"
        )
        self.rejections = self._counter("rapport_rejections", "Rejected records by reason.", "reason")
        self.records_published = self._counter(
            "rapport_records_published", "Records acknowledged by Kafka.", "topic"
        )
        self.retries = self._counter(
            "rapport_retries", "Work repeated because Kafka or PostgreSQL failed.", "reason"
        )
        self.commit_failures = self._counter("rapport_commit_failures", "Offset commits that failed.")
        self.splits = self._counter("rapport_batch_splits", "Batches halved to find a bad record.")
        self.rebalances = self._counter("rapport_rebalances", "Assignments of partitions to this process.")

        self.batch_seconds = self._seconds(
            "rapport_batch_seconds", "From reading a batch to committing its offsets."
        )
        self.transaction_seconds = self._seconds("rapport_transaction_seconds", "One PostgreSQL transaction.")
        self.publish_seconds = self._seconds(
            "rapport_publish_seconds", "From publishing to the last acknowledgement."
        )
        self.commit_seconds = self._seconds("rapport_offset_commit_seconds", "One commit of offsets.")
        self.batch_records = Histogram(
            "rapport_batch_records", "Records in a batch.", buckets=BATCH_RECORDS, registry=self.registry
        )

        partition = ("topic", "partition")
        self.lag = self._gauge(
            "rapport_consumer_lag_records", "Records in the log that are not applied yet.", *partition
        )
        self.position = self._gauge(
            "rapport_consumer_position_offset", "The next offset to apply.", *partition
        )
        self.committed = self._gauge("rapport_consumer_committed_offset", "The committed offset.", *partition)
        self.unaccounted = self._gauge(
            "rapport_unaccounted_records",
            "Records below the position without an outcome: missing in the log, or passed over; 0 at rest.",
            *partition,
        )
        self.acknowledged = self._gauge(
            "rapport_acknowledged_offset",
            "The offset after the newest record that Kafka acknowledged to this ingest.",
            *partition,
        )
        self.assigned = self._gauge(
            "rapport_consumer_assigned", "1 while the partition is assigned to this process.", *partition
        )
        self.caught_up = self._gauge("rapport_consumer_caught_up", "1 while all records are applied.")
        self.last_progress = self._gauge(
            "rapport_last_progress_timestamp_seconds",
            "When the consume loop last ran without a fault.",
        )
        self.last_batch = self._gauge(
            "rapport_last_batch_timestamp_seconds", "When the offsets of a batch were last committed."
        )
        self.outbox_waiting = self._gauge(
            "rapport_outbox_rows_waiting", "Stored records that Kafka has not acknowledged yet."
        )
        self.halted = self._gauge(
            "rapport_halted",
            "1 while the consumer, or one of its partitions, is halted and needs an operator.",
        )
        self.halted_partitions = self._gauge(
            "rapport_consumer_halted_partitions",
            "Partitions of this process that are not read until `rapport halts repair`.",
        )
        self.fenced_partitions = self._gauge(
            "rapport_consumer_fenced_partitions",
            "Partitions of this process that another process took over.",
        )
        self.fuse_blown = self._gauge("rapport_fuse_blown", "1 after too many bad records.")
        self.fuse_in_a_row = self._gauge("rapport_fuse_in_a_row", "Bad records in a row up to now.")
        self.fuse_share = self._gauge("rapport_fuse_share", "Share of bad records among the last 1,000.")

        for end in ConnectionEnd:
            self.connection_ends.labels(reason=end)
        for reason in RetryReason:
            self.retries.labels(reason=reason)
        for rejected in self._reject_reasons:
            self.rejections.labels(reason=rejected)
        self.add_topics(topics)

    def add_topics(self, topics: Iterable[str]) -> None:
        """Export 0 for every series of these topics."""
        for topic in topics:
            self.records_read.labels(topic=topic)
            self.records_published.labels(topic=topic)
            for outcome in RecordOutcome:
                self.record_outcomes.labels(topic=topic, outcome=outcome)

    def exposition(self) -> tuple[bytes, str]:
        """Return the page that Prometheus reads, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self.registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def _seconds(self, name: str, description: str) -> Histogram:
        return Histogram(name, description, buckets=BATCH_S, registry=self.registry)


def _version() -> str:
    try:
        return version("rapport")
    except PackageNotFoundError:  # run from a folder without an installation
        return "unknown"
