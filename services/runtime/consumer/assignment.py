"""Tracks which partitions this process owns, under which epoch, and how far each has been applied."""

from collections.abc import Iterable, Mapping, Sequence

from services.runtime.kafka.record import TopicPartition
from services.runtime.outbox.committer import Claim
from services.runtime.outbox.halts import HaltReason
from services.runtime.outbox.positions import Fingerprint
from services.runtime.process.consumer_metrics import ConsumerMetrics


class Assignment:
    """The partitions that Kafka assigned, and those of them that are prepared.

    A partition is prepared when its epoch is raised, the outbox rows left for it are published, and the
    consumer has sought its start. Records of unprepared partitions are ignored; preparing seeks back to them.
    `generation` changes whenever records read before the change become stale.
    """

    def __init__(self, metrics: ConsumerMetrics) -> None:
        self._metrics = metrics
        self.assigned: frozenset[TopicPartition] = frozenset()
        self.epochs: dict[TopicPartition, int] = {}
        self.applied: dict[TopicPartition, int] = {}
        self.stored: dict[TopicPartition, int | None] = {}
        """The offset that PostgreSQL must hold for each prepared partition; None for no row yet."""
        self.unverified: dict[TopicPartition, Fingerprint] = {}
        """The record that was applied last, of those partitions of which it has not been read again yet."""
        self.waiting_since: dict[TopicPartition, float] = {}
        """When the first record of the newest batch of each partition was written, in seconds since 1970."""
        self.connections: dict[TopicPartition, object] = {}
        """The connection to each partition's leader when the partition was prepared."""
        self.fenced: frozenset[TopicPartition] = frozenset()
        self.halted: dict[TopicPartition, tuple[HaltReason, str]] = {}
        """The assigned partitions that an operator must repair, each with the reason and what to do."""
        self.set_aside: Mapping[TopicPartition, Sequence[range]] = {}
        """The offsets at which an operator has bad records set aside, whatever their number."""
        self.generation = 0

    @property
    def unprepared(self) -> list[TopicPartition]:
        """The assigned partitions that still have to be prepared."""
        return sorted(self.assigned - self.epochs.keys() - self.fenced - self.halted.keys())

    @property
    def positions(self) -> dict[TopicPartition, int]:
        """Where each prepared partition is read: at the next offset, or at the last applied to compare it."""
        return {one: offset - (one in self.unverified) for one, offset in self.applied.items()}

    @property
    def problem(self) -> str | None:
        """Why assigned partitions are not read; None when all of them are, or will be."""
        parts = [f"halted: {detail}" for _, (_, detail) in sorted(self.halted.items())]
        if self.fenced:
            listed = ", ".join(f"{topic}/{number}" for topic, number in sorted(self.fenced))
            parts.append(f"another process took over {listed}; this one joins the group again")
        return "; ".join(parts) or None

    def assign(self, partitions: frozenset[TopicPartition]) -> None:
        """Replace the assignment by these partitions, none of them prepared."""
        self.generation += 1
        self._forget_positions()
        self.assigned = partitions
        self.fenced = frozenset()
        self._metrics.fenced_partitions.set(0)
        self.set_halted({})
        for topic, partition in partitions:
            self._metrics.assigned.labels(topic=topic, partition=partition).set(1)

    def revoke_all(self) -> None:
        """Give up every partition and remove its metrics."""
        metrics = self._metrics
        for topic, partition in self.assigned:
            labels = {"topic": topic, "partition": str(partition)}
            self._metrics.assigned.labels(**labels).set(0)
            # The next owner exports these; a value that no longer changes here would be misleading.
            for gauge in (metrics.lag, metrics.position, metrics.committed, metrics.unaccounted):
                gauge.remove_by_labels(labels)
        self.assign(frozenset())

    def mark_prepared(
        self,
        epochs: Mapping[TopicPartition, int],
        applied: Mapping[TopicPartition, int],
        unverified: Mapping[TopicPartition, Fingerprint] | None = None,
        unaccounted: Mapping[TopicPartition, int] | None = None,
        stored: Mapping[TopicPartition, int | None] | None = None,
    ) -> None:
        """Allow these partitions to be read, from the offsets in `applied` on.

        `unaccounted` has the number of earlier records without an outcome, where there are any. `stored` has
        the offsets that PostgreSQL holds.
        """
        self.generation += 1
        for topic, partition in epochs:
            number = (unaccounted or {}).get((topic, partition), 0)
            self._metrics.unaccounted.labels(topic=topic, partition=partition).set(number)
        self.epochs.update(epochs)
        self.applied.update(applied)
        self.stored.update(stored or {})
        self.unverified.update(unverified or {})

    def invalidate(self) -> None:
        """Require every partition to be prepared again, because the last commit may or may not be stored."""
        self.generation += 1
        self._forget_positions()

    def set_halted(self, halted: Mapping[TopicPartition, tuple[HaltReason, str]]) -> None:
        """Ignore exactly these partitions until an operator has repaired them."""
        if halted != self.halted:
            self.generation += 1
        self.halted = dict(halted)
        self._forget_positions(halted)
        self._metrics.halted.set(1 if halted else 0)
        self._metrics.halted_partitions.set(len(halted))
        self._metrics.fuse_blown.set(1 if HaltReason.FUSE in {why for why, _ in halted.values()} else 0)

    def fence(self, partitions: Iterable[TopicPartition]) -> None:
        """Ignore these partitions until the next assignment, because another process owns them."""
        self.generation += 1
        self.fenced |= frozenset(partitions)
        self._forget_positions(self.fenced)
        self._metrics.fenced_partitions.set(len(self.fenced))

    def is_set_aside(self, partition: TopicPartition, offset: int) -> bool:
        """Return whether an operator has a record set aside if it is bad."""
        return any(offset in places for places in self.set_aside.get(partition, ()))

    def owned(self, topic: str) -> frozenset[int]:
        """Return the numbers of the prepared partitions of a topic."""
        return frozenset(partition for name, partition in self.epochs if name == topic)

    def claim(self) -> Claim:
        """Return what a transaction that applies nothing claims to own: all prepared partitions."""
        return Claim(dict(self.epochs), {}, applied=dict(self.stored))

    def _forget_positions(self, partitions: Iterable[TopicPartition] | None = None) -> None:
        for one in list(self.assigned | self.epochs.keys()) if partitions is None else list(partitions):
            for known in (
                self.epochs,
                self.applied,
                self.stored,
                self.unverified,
                self.waiting_since,
                self.connections,
            ):
                known.pop(one, None)
