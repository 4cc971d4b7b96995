"""Reads batches with FastStream's subscriber, configured so that it makes no decision by itself.

Its defaults would commit past failures, drop a batch because of one bad header, start at the end of the log
and log two lines for each message; every setting below prevents one of these.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, cast

import aiokafka
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.client import ConnectionGroup
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage

from services.runtime.kafka.client_options import client_options
from services.runtime.kafka.record import TopicPartition
from services.runtime.process.settings import KafkaSettings

RawBatch = tuple[ConsumerRecord, ...]


class SubscriptionListener(Protocol):
    """Receives the events of a subscription."""

    async def on_batch(self, raw: RawBatch) -> None:
        """Handle records, which are in order within each partition."""

    async def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Give these partitions up; they are revoked when this returns."""

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Take note that exactly these partitions are assigned now."""

    async def on_poll(self, records: int) -> None:
        """Take note of a poll that returned this number of records, possibly none."""

    async def on_out_of_range(self) -> None:
        """Take note that a position is outside its log, which lost records at one of its ends."""

    def on_error(self, error: KafkaError) -> None:
        """Take note that reading failed; the loop pauses for some seconds and tries again."""


Polled = dict[aiokafka.TopicPartition, list[ConsumerRecord]]

BACKGROUND_EVERY = 10
"""A slice of background topics is read at the latest after this many batches of the others."""


class _ReportingConsumer(AIOKafkaConsumer):  # type: ignore[misc] # the library is untyped
    """aiokafka's consumer, which also reports polls that return no records, and reads some topics last.

    Each poll returns records either of background topics or of the others. A slice of the background is small
    and follows when the others are read to their ends, so they wait for one slice at most; while they are
    not, it follows every `BACKGROUND_EVERY` batches, so that the background goes on.
    """

    def __init__(
        self,
        *,
        listener: SubscriptionListener,
        background: Sequence[str],
        background_records: int,
        **options: object,
    ) -> None:
        super().__init__(**options)
        self._listener = listener
        self._background = frozenset(background)
        self._background_records = background_records
        self._batches_before_background = BACKGROUND_EVERY

    async def start(self) -> None:
        await super().start()
        if self._background:
            # Otherwise a slice that waits to be read delays what is fetched of the other topics by 0.1 s.
            self._fetcher._prefetch_backoff = 0.0  # noqa: SLF001 - the library has no option for it

    async def getmany(
        self, *partitions: aiokafka.TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Polled:
        records: Polled = {}
        try:
            if self._background:
                records = await self._read_in_order(timeout_ms, max_records)
            else:
                records = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except NoOffsetForPartitionError:  # assigned, and not sought yet
            await asyncio.sleep(timeout_ms / 1000)
        except OffsetOutOfRangeError:
            await self._listener.on_out_of_range()
        except KafkaError as error:
            self._listener.on_error(error)
            raise
        await self._listener.on_poll(sum(map(len, records.values())))
        return records

    async def _read_in_order(self, timeout_ms: int, max_records: int | None) -> Polled:
        found: Polled = {}
        background = sorted(one for one in self.assignment() if one.topic in self._background)
        others = [one for one in self.assignment() if one.topic not in self._background]
        if not others:
            found |= await super().getmany(timeout_ms=timeout_ms, max_records=self._background_records)
            return found
        if self._batches_before_background <= 0 and (found := await self._read_slice(background)):
            return found
        for wait_ms in (0, timeout_ms):
            found = await super().getmany(*others, timeout_ms=wait_ms, max_records=max_records)
            if found:
                behind = self._behind(found, max_records)
                self._batches_before_background = self._batches_before_background - 1 if behind else 0
                return found
            if found := await self._read_slice(background):
                return found
        return {}

    def _behind(self, found: Polled, max_records: int | None) -> bool:
        if max_records is not None and sum(map(len, found.values())) >= max_records:
            return True
        ends = ((records[-1].offset + 1, self.highwater(one)) for one, records in found.items())
        return any(end is not None and position < end for position, end in ends)

    async def _read_slice(self, background: Sequence[aiokafka.TopicPartition]) -> Polled:
        found: Polled = {}
        for one in background:
            try:
                found |= await super().getmany(one, timeout_ms=0, max_records=self._background_records)
            except KafkaError:
                if not found:
                    raise
                break  # it is raised again when this partition is fetched again
        if found:
            self._batches_before_background = BACKGROUND_EVERY
        return found


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc] # the library is untyped
    def __init__(self, listener: SubscriptionListener) -> None:
        self._listener = listener

    async def on_partitions_revoked(self, revoked: Iterable[aiokafka.TopicPartition]) -> None:
        await self._listener.on_revoked(frozenset((tp.topic, tp.partition) for tp in revoked))

    def on_partitions_assigned(self, assigned: Iterable[aiokafka.TopicPartition]) -> None:
        self._listener.on_assigned(frozenset((tp.topic, tp.partition) for tp in assigned))


async def _parse(raw: RawBatch) -> KafkaAckableMessage:
    # The framework's parser decodes every header as UTF-8 and drops the batch when one is null or cannot be
    # decoded; it also reads a reply address from a header. This parser reads no header.
    return KafkaAckableMessage(raw_message=raw, body=b"", headers={}, consumer=FAKE_CONSUMER)


async def _decode(message: KafkaAckableMessage) -> object:
    return message.raw_message


class Subscription:
    """One member of a consumer group, from `start` to `stop`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        group: str,
        listener: SubscriptionListener,
        *,
        max_records: int,
        batch_timeout_ms: int,
        background: Sequence[str] = (),
        background_records: int = 1,
    ) -> None:
        session_ms = int(kafka.session_timeout_s * 1000)
        self._kafka = kafka
        self._listener = listener
        self._background = (background, background_records)
        self._broker = KafkaBroker(
            kafka.bootstrap_servers.split(","),
            client_id=kafka.client_id,
            consumer_only=True,  # `Producer` publishes, with its own settings
            allow_auto_create_topics=False,
            graceful_timeout=30.0,  # None would cancel the batch in flight
            logger=None,
            apply_types=False,  # pass the records on as they are
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            *background,
            batch=True,
            group_id=group,
            group_instance_id=kafka.group_instance_id,
            auto_offset_reset="none",  # where to read on is never decided by the client
            ack_policy=AckPolicy.MANUAL,  # also switches automatic commits off
            isolation_level="read_committed",
            partition_assignment_strategy=(RangePartitionAssignor,),  # one member per partition number
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(500, session_ms // 4),
            rebalance_timeout_ms=max(60_000, session_ms),  # time to finish the batch in flight
            # The embedded broker answers an empty fetch only after this time, even if records arrive before.
            fetch_max_wait_ms=batch_timeout_ms if kafka.embedded else 500,
            max_records=max_records,
            batch_timeout_ms=batch_timeout_ms,
            listener=_RebalanceListener(listener),
            parser=_parse,
            decoder=_decode,
            no_reply=True,  # a header must not choose a topic to publish to
            include_in_schema=False,
        )
        self._subscriber(_handler(listener.on_batch))

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The live client, after `start`."""
        return self._subscriber.consumer

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Read nothing from these partitions until they are resumed."""
        with contextlib.suppress(IllegalStateError):  # revoked meanwhile
            self.consumer.pause(*(aiokafka.TopicPartition(*partition) for partition in partitions))

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Continue reading from these offsets."""
        with contextlib.suppress(IllegalStateError):  # revoked meanwhile; a new assignment seeks again
            for partition, offset in offsets.items():
                self.consumer.seek(aiokafka.TopicPartition(*partition), offset)

    def reconnected(self, connections: Mapping[TopicPartition, object]) -> bool:
        """Return whether a leader is reached through another connection than the given one."""
        now = ((leader_connection(self.consumer, one), then) for one, then in connections.items())
        return any(found is not None and found is not then for found, then in now)

    async def start(self) -> None:
        """Join the group; return when partitions are assigned, and read from then on.

        Raises:
            KafkaError: Kafka is away.
            Halt: settings contradict one another, or a file cannot be used.
        """
        await self._broker.connect()
        config = self._broker.config.broker_config
        # connect() has assembled the options; the reporting consumer replaces the library's. Security is the
        # same as that of every other client: the framework has neither tokens nor client certificates.
        options = {
            **cast("partial[AIOKafkaConsumer]", config.builder).keywords,
            **client_options(self._kafka),
        }
        background, records = self._background
        config.builder = partial(
            _ReportingConsumer,
            listener=self._listener,
            background=background,
            background_records=records,
            **options,
        )
        await self._broker.start()

    async def stop(self) -> None:
        """Let the batch in flight finish, leave the group and disconnect."""
        await self._broker.stop()


def leader_connection(consumer: AIOKafkaConsumer, partition: TopicPartition) -> object | None:
    """Return the live connection to the partition's leader, None while there is none.

    Another object than before means another leader, or one that was away: its log may have lost its end.
    """
    client = consumer._client  # noqa: SLF001 - the library tells nobody that it reconnected
    leader = client.cluster.leader_for_partition(aiokafka.TopicPartition(*partition))
    connection = client._conns.get((leader, ConnectionGroup.DEFAULT))  # noqa: SLF001
    return connection if connection is not None and connection.connected() else None


def _handler(batch: Callable[[RawBatch], Awaitable[None]]) -> Callable[[RawBatch], Awaitable[None]]:
    async def read(raw: RawBatch) -> None:
        await batch(raw)

    return read
