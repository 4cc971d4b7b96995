"""Records as the stages see them: raw bytes in and out. Their `repr` shows places, never payloads."""

from collections.abc import Sequence
from dataclasses import dataclass, field

Headers = Sequence[tuple[str, bytes]]

Place = tuple[str, int]
"""A topic and the number of one of its partitions."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record read from Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: Headers = field(repr=False, default=())


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to publish. `partition` is given for derived records (their input's), else by the key."""

    topic: str
    key: bytes = field(repr=False)
    value: bytes = field(repr=False)
    partition: int | None = None
    headers: Headers = field(repr=False, default=())
