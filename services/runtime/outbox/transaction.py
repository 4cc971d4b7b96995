"""A transaction's work: what a handler writes, publishes and rejects takes effect together or not at all."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.runtime.kafka.producer import MAX_RECORD_BYTES
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.process.errors import Halt, Reject


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that could not be processed: where it lies, and why."""

    cluster_id: str
    topic: str
    partition: int
    offset: int
    reason: str
    detail: str
    tenant: str | None
    subject_id: str | None
    rejected_at: datetime
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)


RejectionEventFactory = Callable[[Rejection], Outgoing]
"""Makes the event that tells of a rejection; derived, so it names its input's partition."""


@dataclass(slots=True)
class Transaction:
    """What a handler is given: a connection with an open transaction, and the ways to publish and reject.

    Nothing leaves before the transaction is committed; a handler may therefore be rolled back and called
    again with the same records, and must not keep anything outside the transaction.
    """

    conn: AsyncConnection[TupleRow]
    now: datetime
    """When the transaction began: the only time a handler should use."""
    cluster_id: str
    """The Kafka cluster whose offsets the records carry; empty while none was ever reached."""
    rejected_event: RejectionEventFactory | None = None
    outgoing: list[Outgoing] = field(default_factory=list)
    """What is to be published, in order."""
    rejections: list[Rejection] = field(default_factory=list)
    bad: set[tuple[str, int, int]] = field(default_factory=set)
    """Topic, partition and offset of the records that could not be decoded or processed."""
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    """What is counted once the transaction is committed: metrics, nothing that could fail or be missed."""

    def publish(self, out: Outgoing) -> None:
        """Put a record into the outbox: it goes out after the commit, in the order of these calls.

        Raises:
            Reject: it is larger than Kafka would take; what led to it cannot be processed.
        """
        if len(out.value) > MAX_RECORD_BYTES:
            raise Reject(
                "unprocessable", f"an event of {len(out.value)} bytes is too large", counts_for_fuse=True
            )
        self.outgoing.append(out)

    def reject(
        self, record: Record, reject: Reject, *, tenant: str | None = None, subject_id: str | None = None
    ) -> None:
        """Store a record as rejected, original bytes and key included, and publish that it was."""
        rejection = Rejection(
            cluster_id=self.cluster_id,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reject.reason,
            detail=reject.detail,
            tenant=tenant,
            subject_id=subject_id,
            rejected_at=self.now,
            key=record.key,
            value=record.value,
        )
        if self.rejected_event is None:
            raise Halt("this transaction has no way to tell of a rejection; give it `rejected_event`")
        self.rejections.append(rejection)
        if reject.counts_for_fuse:
            self.bad.add((record.topic, record.partition, record.offset))
        self.outgoing.append(self.rejected_event(rejection))
