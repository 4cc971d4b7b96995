"""What a service tells its consumer: the topics it reads, how their records are handled, and the limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from services.runtime.consumer.order_of_effects import Handler, OwnerOf, no_owner
from services.runtime.consumer.published_check import NOTHING_PUBLISHED, PublishedTopics
from services.runtime.consumer.self_check import KnownWork, threads_answer
from services.runtime.outbox.relay import ABANDONED_AFTER_S
from services.runtime.outbox.transaction import RejectionEventFactory
from services.runtime.process.settings import FuseSettings


@dataclass(frozen=True, slots=True)
class ConsumedTopics:
    """The topics that are read, and the consumer group that reads them."""

    topics: Sequence[str]
    group: str
    co_partitioned: Sequence[str] = ()
    """Topics that must have the same number of partitions."""
    background: Sequence[str] = ()
    """Topics that are read, too, in small slices when the others are read to their ends."""

    @property
    def all(self) -> list[str]:
        """The topics that are read and those that must be co-partitioned, each once."""
        return list(dict.fromkeys((*self.topics, *self.background, *self.co_partitioned)))


@dataclass(frozen=True, slots=True)
class RecordHandling:
    """What happens to records.

    `handle` is called with records of several topics and partitions, in order within each partition, inside
    an open transaction; the transaction may be rolled back and `handle` called again.
    """

    handle: Handler
    rejection_event: RejectionEventFactory
    owner_of: OwnerOf = no_owner
    """Names the tenant and the subject of a record that is rejected because `handle` failed on it."""
    published: PublishedTopics = NOTHING_PUBLISHED
    """The topics that the service alone writes."""
    self_check: KnownWork = threads_answer
    """Does a little of the same work with data that are known to be good, when records took too long."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large batches are, and how long their steps may take."""

    max_records: int = 512
    """Records in one batch at most."""
    batch_timeout_ms: int = 25
    """How long a batch waits for its first record."""
    background_records: int = 16
    """Records of each partition of a background topic that are read at once, at most."""
    parallel_transactions: int = 1
    """Transactions that process one large batch concurrently, each on its own partitions."""
    parallel_from_records: int = 256
    """Batches with fewer records are processed in one transaction."""
    transaction_deadline_s: float = 12.0
    """A transaction that takes longer is rolled back and tried again."""
    scheduled_deadline_s: float = 60.0
    """The same for scheduled work and web responses, which hold no partition."""
    frozen_margin_s: float = 2.0
    """PostgreSQL ends a transaction this long after its deadline, if this process is frozen and does not."""
    abandoned_after_s: float = ABANDONED_AFTER_S
    """Outbox rows of other processes that are older than this are published by this process."""
    fuse: FuseSettings = field(default_factory=FuseSettings)
    """How many bad records stop the consumer."""
