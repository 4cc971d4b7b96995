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


def offsets_after(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """Return, for each partition, the offset that follows its last record."""
    return {partition: record.offset + 1 for partition, record in last_records(records).items()}


def last_records(records: Sequence[Record]) -> dict[TopicPartition, Record]:
    """Return the last record of each partition."""
    # The records of a partition are in order, so the last one wins.
    return {(record.topic, record.partition): record for record in records}
