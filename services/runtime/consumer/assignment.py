"""Tracks which partitions this process owns, under which epoch, and how far each has been applied."""

from collections.abc import Iterable, Mapping

from services.runtime.kafka.record import TopicPartition
from services.runtime.process.metrics import Metrics


class Assignment:
    """The partitions that Kafka assigned, and those of them that are prepared.

    A partition is prepared when its epoch is raised, the outbox rows left for it are published, and the
    consumer has sought its start. Records of unprepared partitions are ignored; preparing seeks back to them.
    `generation` changes whenever records read before the change become stale.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.assigned: frozenset[TopicPartition] = frozenset()
        self.epochs: dict[TopicPartition, int] = {}
        self.applied: dict[TopicPartition, int] = {}
        self.fenced: frozenset[TopicPartition] = frozenset()
        self.generation = 0

    @property
    def unprepared(self) -> list[TopicPartition]:
        """The assigned partitions that still have to be prepared."""
        return sorted(self.assigned - self.epochs.keys() - self.fenced)

    def assign(self, partitions: frozenset[TopicPartition]) -> None:
        """Replace the assignment by these partitions, none of them prepared."""
        self.generation += 1
        self.assigned = partitions
        self.epochs.clear()
        self.applied.clear()
        self.fenced = frozenset()
        for topic, partition in partitions:
            self._metrics.assigned.labels(topic=topic, partition=partition).set(1)

    def revoke_all(self) -> None:
        """Give up every partition and remove its metrics."""
        for topic, partition in self.assigned:
            labels = {"topic": topic, "partition": str(partition)}
            self._metrics.assigned.labels(**labels).set(0)
            # The next owner exports these; a value that no longer changes here would be misleading.
            for gauge in (self._metrics.lag, self._metrics.position, self._metrics.committed):
                gauge.remove_by_labels(labels)
        self.assign(frozenset())

    def mark_prepared(
        self, epochs: Mapping[TopicPartition, int], applied: Mapping[TopicPartition, int]
    ) -> None:
        """Allow these partitions to be read, from the offsets in `applied` on."""
        self.generation += 1
        self.epochs.update(epochs)
        self.applied.update(applied)

    def invalidate(self) -> None:
        """Require every partition to be prepared again, because the last commit may or may not be stored."""
        self.generation += 1
        self.epochs.clear()
        self.applied.clear()

    def fence(self, partitions: Iterable[TopicPartition]) -> None:
        """Ignore these partitions until the next assignment, because another process owns them."""
        self.generation += 1
        self.fenced |= frozenset(partitions)
        for partition in self.fenced:
            self.epochs.pop(partition, None)
            self.applied.pop(partition, None)

    def owned(self, topic: str) -> frozenset[int]:
        """Return the numbers of the prepared partitions of a topic."""
        return frozenset(partition for name, partition in self.epochs if name == topic)
