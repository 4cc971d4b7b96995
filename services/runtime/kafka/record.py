"""Records as raw bytes; their `repr` shows topic, partition and offset, never payloads."""

from collections.abc import Sequence

from msgspec import Struct

Headers = Sequence[tuple[str, bytes]]

TopicPartition = tuple[str, int]
"""A topic and the number of one of its partitions."""


class Record(Struct, frozen=True):
    """One record read from Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    def __repr__(self) -> str:
        return f"Record({self.topic}/{self.partition}, offset={self.offset})"


class Outgoing(Struct, frozen=True):
    """One record to publish.

    A derived record names the `partition` of its input; otherwise the key decides.
    """

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None
    headers: Headers = ()

    def __repr__(self) -> str:
        return f"Outgoing({self.topic}, partition={self.partition})"
