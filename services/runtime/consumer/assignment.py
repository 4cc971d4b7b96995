"""Which partitions are ours, who says so, and how far each has been applied."""

from collections.abc import Iterable, Mapping

from services.runtime.kafka.record import TopicPartition
from services.runtime.process.metrics import Metrics


class Assignment:
    """What Kafka assigned, and what of it is prepared: epoch raised, past published, start sought.

    Records of a partition that is not prepared are not looked at; preparing it seeks to where it must start.
    `generation` changes with everything that makes records read before it stale.
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
        """What is assigned and waits to be prepared."""
        return sorted(self.assigned - self.epochs.keys() - self.fenced)

    def given(self, places: frozenset[TopicPartition]) -> None:
        """Kafka assigned exactly these; none is prepared yet."""
        self.generation += 1
        self.assigned = places
        self.epochs.clear()
        self.applied.clear()
        self.fenced = frozenset()
        for topic, partition in places:
            self._metrics.assigned.labels(topic=topic, partition=partition).set(1)

    def lost(self) -> None:
        """Nothing is ours any more."""
        for topic, partition in self.assigned:
            labels = {"topic": topic, "partition": str(partition)}
            self._metrics.assigned.labels(**labels).set(0)
            # The next owner shows these; a value that stands still would be taken for the truth.
            for gauge in (self._metrics.lag, self._metrics.position, self._metrics.committed):
                gauge.remove_by_labels(labels)
        self.given(frozenset())

    def prepared(self, epochs: Mapping[TopicPartition, int], applied: Mapping[TopicPartition, int]) -> None:
        """These may be read now, from the offsets in `applied` on."""
        self.generation += 1
        self.epochs.update(epochs)
        self.applied.update(applied)

    def distrust(self) -> None:
        """The database may or may not have what was last sent to it: prepare everything again."""
        self.generation += 1
        self.epochs.clear()
        self.applied.clear()

    def fence(self, places: Iterable[TopicPartition]) -> None:
        """Others own these, whatever Kafka last told us: leave them until the next assignment."""
        self.generation += 1
        self.fenced |= frozenset(places)
        for place in self.fenced:
            self.epochs.pop(place, None)
            self.applied.pop(place, None)

    def owned(self, topic: str) -> frozenset[int]:
        """The prepared partitions of a topic."""
        return frozenset(partition for name, partition in self.epochs if name == topic)
