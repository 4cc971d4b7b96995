"""The transaction that a handler works in: what it writes, publishes and rejects takes effect together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from services.runtime.kafka.producer import MAX_RECORD_BYTES
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.postgres.connect import Connection
from services.runtime.process.errors import Halt, Reject

_MAX_DETAIL = 500
_MAX_ID_BYTES = 1024
"""Two of these fit into one row of an index."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that could not be processed: its position in the log, its bytes, and the reason."""

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
"""Makes the event that announces a rejection; it is derived, so it names its input's partition."""


@dataclass(slots=True)
class Transaction:
    """An open transaction's connection, with the ways to publish and to reject.

    Nothing is published before the transaction is committed. A handler may be rolled back and called again
    with the same records, so it must keep no state outside the transaction.
    """

    conn: Connection
    now: datetime
    """When the transaction began: the only time that a handler should use."""
    cluster_id: str
    """The Kafka cluster whose offsets the records carry; empty before the first connection to Kafka."""
    rejection_event: RejectionEventFactory | None = None
    outgoing: list[Outgoing] = field(default_factory=list)
    """The records to publish, in order."""
    rejections: list[Rejection] = field(default_factory=list)
    bad_records: set[tuple[str, int, int]] = field(default_factory=set)
    """Topic, partition and offset of the records that could not be decoded or processed."""
    passed_over: list[Record] = field(default_factory=list)
    """The records that have no outcome, although the handler was given them: a fault of the handler."""
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    """Called once the transaction is committed: for metrics, and nothing that may fail or be missed."""

    def publish(self, outgoing: Outgoing) -> None:
        """Write a record to the outbox; it is published after the commit, in the order of these calls.

        Raises:
            Reject: it is larger than Kafka accepts, so its input cannot be processed.
        """
        if len(outgoing.value) > MAX_RECORD_BYTES:
            raise Reject(
                "unprocessable", f"an event of {len(outgoing.value)} bytes is too large", counts_for_fuse=True
            )
        self.outgoing.append(outgoing)

    def reject(
        self,
        record: Record,
        reject: Reject,
        *,
        tenant: str | None = None,
        subject_id: str | None = None,
        cluster_id: str | None = None,
    ) -> None:
        """Store a record as rejected, with its original key and value, and publish an event about it.

        `cluster_id` names the Kafka cluster of a record that was read before the service moved to this one.
        An owner's id that cannot be stored is left out: setting a record aside must not fail because of it.
        """
        if self.rejection_event is None:
            raise Halt("this transaction cannot publish rejections; construct it with `rejection_event`")
        rejection = Rejection(
            cluster_id=self.cluster_id if cluster_id is None else cluster_id,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reject.reason,
            detail="".join(c if c.isprintable() else "?" for c in reject.detail[:_MAX_DETAIL]),
            tenant=_storable(tenant),
            subject_id=_storable(subject_id),
            rejected_at=self.now,
            key=record.key,
            value=record.value,
        )
        self.rejections.append(rejection)
        if reject.counts_for_fuse:
            self.bad_records.add((record.topic, record.partition, record.offset))
        self.outgoing.append(self.rejection_event(rejection))

    def take_back(self, rejection: Rejection) -> None:
        """Forget that a record was rejected in this transaction."""
        if self.rejection_event is not None:
            self.outgoing.remove(self.rejection_event(rejection))
        self.rejections.remove(rejection)
        self.bad_records.discard((rejection.topic, rejection.partition, rejection.offset))


def _storable(id_: str | None) -> str | None:
    encoded = (id_ or "").encode(errors="replace")
    return id_ if encoded.decode() == id_ and b"\0" not in encoded and len(encoded) <= _MAX_ID_BYTES else None
