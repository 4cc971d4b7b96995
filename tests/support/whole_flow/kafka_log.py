"""Keeps the logs of all topics in memory, and gives processes clients to read and write them.

What this double proves nothing about: the wire protocol, batches and compression, group membership and
rebalances, replication, transactions, time-outs of a broker that is silent, and retention. Records, keys,
offsets, partitions, positions, committed offsets, a lost end of a log and a send without its acknowledgement
are those of Kafka; everything above the clients is the services' own code.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import aiokafka
from aiokafka.client import ConnectionGroup
from aiokafka.errors import KafkaConnectionError

from services.runtime.kafka.producer import partition_of
from services.runtime.kafka.record import Outgoing, Record, TopicPartition
from services.runtime.kafka.subscription import Subscription, SubscriptionListener
from services.runtime.process.errors import Retry

PARTITIONS = 2
"""Each topic has this number: two are enough for records to arrive in either order."""


class LoggedRecord(NamedTuple):
    """One record as a consumer reads it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """A number that no other record has, so that a refilled offset holds another record."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class _LeaderConnection:
    """The connection to a leader; a leader that lost records is reached through a new one."""

    def connected(self) -> bool:
        """Whether it is open."""
        return True


@dataclass
class KafkaLog:
    """All topics of one cluster."""

    cluster_id: str
    records: dict[TopicPartition, list[LoggedRecord]] = field(default_factory=dict)
    written: list[LoggedRecord] = field(default_factory=list)
    """Every record that was ever acknowledged, those of a lost end included."""
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=dict)
    connections: dict[TopicPartition, _LeaderConnection] = field(default_factory=dict)
    sends_left: int | None = None
    """After this many further records Kafka acknowledges nothing, until it is set to None."""
    before_send: Callable[[], None] = lambda: None
    """Called before each record is written."""

    def of(self, partition: TopicPartition) -> list[LoggedRecord]:
        """Return the records that a partition holds."""
        return self.records.setdefault(partition, [])

    def append(self, out: Outgoing) -> LoggedRecord:
        """Write one record to the end of its partition."""
        number = partition_of(out.key, PARTITIONS) if out.partition is None else out.partition
        log = self.of((out.topic, number))
        record = LoggedRecord(
            out.topic, number, len(log), len(self.written), out.key, out.value, tuple(out.headers)
        )
        log.append(record)
        self.written.append(record)
        return record

    def lose_end(self, partition: TopicPartition, number: int) -> list[LoggedRecord]:
        """Forget the last records of a partition, as after an unclean election; return them."""
        log = self.of(partition)
        lost = log[max(0, len(log) - number) :]
        del log[len(log) - len(lost) :]
        self.connections[partition] = _LeaderConnection()
        return lost

    def connection(self, partition: TopicPartition) -> _LeaderConnection:
        """Return the connection to the partition's leader."""
        return self.connections.setdefault(partition, _LeaderConnection())


class LogProducer:
    """Stands for `services.runtime.kafka.producer.Producer`."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log
        self.ended = False
        """Whether its process has ended: nothing leaves it any more."""

    async def prepare_send(
        self, outgoing: Sequence[Outgoing], *, first_alone: Callable[[], None] | None = None
    ) -> "Sending":
        """Note what `finish_send` sends."""
        return Sending(outgoing, first_alone)

    async def finish_send(self, sending: "Sending", *, deadline_s: float | None = None) -> None:
        """Write all records; what was written before one is missing is written again next time."""
        for number, out in enumerate(sending.outgoing):
            assert not self.ended, "a process that has ended published a record"
            self._log.before_send()
            if self._log.sends_left is not None:
                if self._log.sends_left <= 0:
                    raise Retry("Kafka did not acknowledge in time") from KafkaConnectionError()
                self._log.sends_left -= 1
            record = self._log.append(out)
            sending.starts.setdefault((record.topic, record.partition), record.offset)
            sending.ends[record.topic, record.partition] = record.offset + 1
            if number == 0 and sending.first_alone is not None:
                sending.first_alone()

    async def send_all(self, outgoing: Sequence[Outgoing], *, deadline_s: float | None = None) -> "Sending":
        """Write all records."""
        sending = Sending(outgoing)
        await self.finish_send(sending, deadline_s=deadline_s)
        return sending

    async def stop(self) -> None:
        """Do nothing: there is no connection."""


@dataclass
class Sending:
    """Stands for `services.runtime.kafka.send_queue.OrderedSend`."""

    outgoing: Sequence[Outgoing]
    first_alone: Callable[[], None] | None = None
    starts: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)


class LogConsumer:
    """Stands for the live client of a subscription."""

    def __init__(self, log: KafkaLog, group: str, background: Sequence[str] = ()) -> None:
        self._log = log
        self._group = group
        self._background = frozenset(background)
        self.positions: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self._client = SimpleNamespace(
            cluster=SimpleNamespace(leader_for_partition=tuple),
            _conns=_Connections(log),
        )

    async def beginning_offsets(self, keys: Iterable[Any]) -> dict[Any, int]:
        """Return the first offsets; nothing is ever deleted at the beginning."""
        return dict.fromkeys(keys, 0)

    async def end_offsets(self, keys: Iterable[Any]) -> dict[Any, int]:
        """Return the offsets after the last records."""
        return {key: len(self._log.of((key.topic, key.partition))) for key in keys}

    async def committed(self, key: aiokafka.TopicPartition) -> int | None:
        """Return the group's committed offset."""
        return self._log.committed.get((self._group, (key.topic, key.partition)))

    async def commit(self, offsets: Mapping[Any, int]) -> None:
        """Commit the group's offsets."""
        for key, offset in offsets.items():
            self._log.committed[self._group, (key.topic, key.partition)] = offset

    def seek(self, key: aiokafka.TopicPartition, offset: int) -> None:
        """Read on from this offset."""
        self.positions[key.topic, key.partition] = offset

    def pause(self, *keys: aiokafka.TopicPartition) -> None:
        """Read nothing from these partitions."""
        self.paused |= {(key.topic, key.partition) for key in keys}

    def resume(self, *keys: aiokafka.TopicPartition) -> None:
        """Read from these partitions again."""
        self.paused -= {(key.topic, key.partition) for key in keys}

    def poll(self, max_records: int) -> tuple[list[LoggedRecord], bool]:
        """Return the next records, and whether a position is outside of its log.

        They are of background topics only where the others were read to their ends.
        """
        read = {one: at for one, at in sorted(self.positions.items()) if one not in self.paused}
        out_of_range = any(at > len(self._log.of(one)) for one, at in read.items())
        found: list[LoggedRecord] = []
        for is_background in (False, True):
            for partition, position in read.items():
                if (partition[0] in self._background) is is_background and len(found) < max_records:
                    taken = self._log.of(partition)[position : position + max_records - len(found)]
                    self.positions[partition] = position + len(taken)
                    found += taken
            if found:
                break
        return found, out_of_range


class LogPoller(LogConsumer):
    """Stands for a consumer of its own, outside of any group."""

    def __init__(self, log: KafkaLog) -> None:
        super().__init__(log, "none")

    async def start(self) -> None:
        """Do nothing: there is no connection."""

    stop = start

    def assign(self, keys: Sequence[aiokafka.TopicPartition]) -> None:
        """Do nothing: the positions follow by `seek`."""

    async def getmany(
        self, *keys: aiokafka.TopicPartition, timeout_ms: int, max_records: int
    ) -> dict[aiokafka.TopicPartition, list[LoggedRecord]]:
        """Return the next records of these partitions."""
        found: dict[aiokafka.TopicPartition, list[LoggedRecord]] = {}
        for record in self.poll(max_records)[0]:
            found.setdefault(aiokafka.TopicPartition(record.topic, record.partition), []).append(record)
        return found


class _Connections(dict[object, _LeaderConnection]):
    """What aiokafka keeps of its connections: by leader and group; here each partition has its own leader."""

    def __init__(self, log: KafkaLog) -> None:
        super().__init__()
        self._log = log

    def get(self, key: object, default: object = None) -> _LeaderConnection:
        assert isinstance(key, tuple)
        partition, group = key
        assert group is ConnectionGroup.DEFAULT
        return self._log.connection(partition)


class LogSubscription:
    """Stands for `services.runtime.kafka.subscription.Subscription`."""

    def __init__(
        self,
        log: KafkaLog,
        topics: Sequence[str],
        group: str,
        listener: SubscriptionListener,
        background: Sequence[str],
    ) -> None:
        self.topics = (*topics, *background)
        self.listener = listener
        self.consumer = LogConsumer(log, group, background)

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """All partitions of its topics."""
        return frozenset((topic, number) for topic in self.topics for number in range(PARTITIONS))

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Read nothing from these partitions."""
        self.consumer.pause(*(aiokafka.TopicPartition(*one) for one in partitions))

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets."""
        for partition, offset in offsets.items():
            self.consumer.seek(aiokafka.TopicPartition(*partition), offset)

    def reconnected(self, connections: Mapping[TopicPartition, object]) -> bool:
        """Return whether a leader is reached through another connection than the given one."""
        return Subscription.reconnected(cast("Subscription", self), connections)

    async def stop(self) -> None:
        """Leave the group."""


class LogReaderDouble:
    """Stands for `services.cli.admin.log_reader.LogReader`."""

    def __init__(self, log: KafkaLog, partition: TopicPartition) -> None:
        self._log = log.of(partition)

    async def offsets(self) -> tuple[int, int]:
        """Return the first offset and the one after the last."""
        return 0, len(self._log)

    async def read(self, offset: int) -> Record:
        """Return the record at this offset."""
        return Record(*self._log[offset])

    async def event_ids(self) -> set[str]:
        """Return the ids of all events."""
        return {json.loads(record.value or b"")["id"] for record in self._log}
