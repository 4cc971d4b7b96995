"""Defines the metrics that a service has in addition while it consumes topics and owns tables."""

from collections.abc import Iterable
from enum import StrEnum
from math import nan

from prometheus_client import Histogram

from services.runtime.process.metrics import Metrics


class RecordOutcome(StrEnum):
    """What happened to a record that was read."""

    HANDLED = "handled"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    """Delivered again after it was applied: it has no effect and publishes nothing."""


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


class ConsumerMetrics(Metrics):
    """The runtime's metrics of a service that consumes topics."""

    def __init__(
        self, service: str, *, topics: Iterable[str] = (), reject_reasons: Iterable[str] = ()
    ) -> None:
        super().__init__(service)
        self.records_read = self._counter("rapport_records_read", "Records read from Kafka.", "topic")
        self.record_outcomes = self._counter(
            "rapport_record_outcomes", "Records handled, rejected or skipped.", "topic", "outcome"
        )
        self.rejections = self._counter("rapport_rejections", "Rejected records by reason.", "reason")
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
        self.stage_seconds = Histogram(
            "rapport_stage_seconds",
            "One stage of the pipeline, for one batch that was committed.",
            ("stage",),
            buckets=BATCH_S,
            registry=self.registry,
        )
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
        self.assigned = self._gauge(
            "rapport_consumer_assigned", "1 while the partition is assigned to this process.", *partition
        )
        self.oldest_waiting = self._gauge(
            "rapport_consumer_oldest_waiting_timestamp_seconds",
            "When the oldest record that is not applied was written, as far as it was read; NaN: none waits.",
            "topic",
        )
        self.caught_up = self._gauge("rapport_consumer_caught_up", "1 while all records are applied.")
        self.last_progress = self._timestamp(
            "rapport_last_progress_timestamp_seconds",
            "When a transaction of records last ended well, or Kafka last answered that there are none.",
        )
        self.last_batch = self._timestamp(
            "rapport_last_batch_timestamp_seconds", "When the offsets of a batch were last committed."
        )
        self.outbox_waiting = self._gauge(
            "rapport_outbox_rows_waiting", "Stored records that Kafka has not acknowledged yet."
        )
        self.outbox_rows = self._gauge(
            "rapport_outbox_rows",
            "Rows of the outbox table, of all processes; at rest, those of the last transactions.",
            "schema",
        )
        self.outbox_rows.labels(service).set(nan)
        self.reconciliation_gap = self._gauge(
            "rapport_reconciliation_gap_records",
            "Accepted records without an outcome, by the table of all processes; 0 at rest.",
            "schema",
        )
        self.reconciliation_gap.labels(service).set(nan)
        self.reconciled = self._timestamp(
            "rapport_reconciliation_last_run_timestamp_seconds",
            "When this process last counted the records without an outcome; NaN: not yet.",
        )
        self.migration_pending = self._gauge(
            "rapport_migration_pending",
            "Migrations that the tables lack, when this process last looked; NaN: not yet.",
            "schema",
        )
        self.migration_pending.labels(service).set(nan)
        self.database_bytes = self._gauge(
            "rapport_database_bytes",
            "Bytes of tables with their indexes, by schema; NaN: not yet.",
            "schema",
        )
        self.database_bytes.labels(service).set(nan)
        self.backup_last_success = self._timestamp(
            "rapport_backup_last_success_timestamp_seconds",
            "When the database was last copied, as `base_backup.sh` noted in it; NaN: never, or not read.",
        )
        self.wal_archived = self._timestamp(
            "rapport_wal_archived_timestamp_seconds",
            "When PostgreSQL last archived a segment of its log; NaN: never, or not read.",
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

        for reason in RetryReason:
            self.retries.labels(reason=reason)
        for rejected in dict.fromkeys(("undecodable", "unprocessable", *reject_reasons)):
            self.rejections.labels(reason=rejected)
        self.add_topics(topics)

    def add_topics(self, topics: Iterable[str]) -> None:
        """Export 0 for every series of these topics."""
        topics = tuple(topics)
        super().add_topics(topics)
        for topic in topics:
            self.records_read.labels(topic=topic)
            self.oldest_waiting.labels(topic=topic).set(nan)
            for outcome in RecordOutcome:
                self.record_outcomes.labels(topic=topic, outcome=outcome)

    def _seconds(self, name: str, description: str) -> Histogram:
        return Histogram(name, description, buckets=BATCH_S, registry=self.registry)
