"""The subscription: FastStream's batch subscriber, set so that it decides nothing by itself.

Its defaults would commit past failures, lose batches over one bad header, start at the end of the log and
write two lines for each message; every setting below is there because of one of these.
"""

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol, cast

import aiokafka
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import FAKE_CONSUMER, KafkaAckableMessage

from services.runtime.kafka.client_options import framework_security
from services.runtime.kafka.record import TopicPartition
from services.runtime.process.settings import KafkaSettings

RawBatch = tuple[ConsumerRecord, ...]


class SubscriptionListener(Protocol):
    """Who is told of what the subscription does."""

    async def batch(self, raw: RawBatch) -> None:
        """Some records were read, in order within each partition."""

    async def revoked(self, places: frozenset[TopicPartition]) -> None:
        """These partitions are about to be taken away; they are, when this returns."""

    def assigned(self, places: frozenset[TopicPartition]) -> None:
        """These partitions are now all that are ours."""

    async def polled(self, records: int) -> None:
        """The loop went round, with so many records, or none."""

    def failed(self, error: KafkaError) -> None:
        """Reading failed; the loop pauses for some seconds and tries again."""


class _Consumer(AIOKafkaConsumer):  # type: ignore[misc] # the library is untyped
    """aiokafka's consumer, which also tells that it goes round when there is nothing to read."""

    def __init__(self, *, reader: SubscriptionListener, **options: object) -> None:
        super().__init__(**options)
        self._reader = reader

    async def getmany(
        self, *partitions: aiokafka.TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[aiokafka.TopicPartition, list[ConsumerRecord]]:
        records: dict[aiokafka.TopicPartition, list[ConsumerRecord]]
        try:
            records = await super().getmany(*partitions, timeout_ms=timeout_ms, max_records=max_records)
        except KafkaError as error:
            self._reader.failed(error)
            raise
        await self._reader.polled(sum(map(len, records.values())))
        return records


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # the library is untyped
    def __init__(self, reader: SubscriptionListener) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Iterable[aiokafka.TopicPartition]) -> None:
        await self._reader.revoked(frozenset((tp.topic, tp.partition) for tp in revoked))

    def on_partitions_assigned(self, assigned: Iterable[aiokafka.TopicPartition]) -> None:
        self._reader.assigned(frozenset((tp.topic, tp.partition) for tp in assigned))


async def _parse(raw: RawBatch) -> KafkaAckableMessage:
    # The framework's parser reads every header as UTF-8 and drops the batch when one is not, or is null; it
    # also takes an address to answer to from a header. We look at no header here.
    return KafkaAckableMessage(raw_message=raw, body=b"", headers={}, consumer=FAKE_CONSUMER)


async def _decode(message: KafkaAckableMessage) -> object:
    return message.raw_message


class Subscription:
    """One consumer of a group, from `start` to `stop`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        group: str,
        reader: SubscriptionListener,
        *,
        max_records: int,
        batch_timeout_ms: int,
    ) -> None:
        session_ms = int(kafka.session_timeout_s * 1000)
        self._reader = reader
        self._broker = KafkaBroker(
            kafka.bootstrap_servers.split(","),
            client_id=kafka.client_id,
            security=framework_security(kafka),
            consumer_only=True,  # publishing is ours, with its own settings
            allow_auto_create_topics=False,
            graceful_timeout=30.0,  # None would cancel the batch in flight
            logger=None,
            apply_types=False,  # the raw records, whatever they are
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            group_id=group,
            group_instance_id=kafka.group_instance_id,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,  # switches automatic commits off, too
            isolation_level="read_committed",
            partition_assignment_strategy=(RangePartitionAssignor,),  # same number, same member
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(500, session_ms // 4),
            rebalance_timeout_ms=max(60_000, session_ms),  # a batch in flight is finished first
            # The embedded broker answers an empty fetch only when this is over, whatever came in meanwhile.
            fetch_max_wait_ms=batch_timeout_ms if kafka.embedded else 500,
            max_records=max_records,
            batch_timeout_ms=batch_timeout_ms,
            listener=_Listener(reader),
            parser=_parse,
            decoder=_decode,
            no_reply=True,  # a header must not choose where we publish
            include_in_schema=False,
        )
        self._subscriber(_handler(reader.batch))

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The live client, once `start` was called."""
        return self._subscriber.consumer

    def pause(self, places: Iterable[TopicPartition]) -> None:
        """Read nothing of these partitions until they are resumed."""
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile
            self.consumer.pause(*(aiokafka.TopicPartition(*place) for place in places))

    def rewind(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Read on from these offsets."""
        with contextlib.suppress(IllegalStateError):  # taken away meanwhile: it is sought when it comes back
            for place, offset in offsets.items():
                self.consumer.seek(aiokafka.TopicPartition(*place), offset)

    async def start(self) -> None:
        """Join the group; returns when partitions were given, and reads from then on.

        Raises:
            KafkaError: Kafka is away.
        """
        await self._broker.connect()
        config = self._broker.config.broker_config
        # connect() has put the options together; our own class goes in place of the library's.
        options = cast("partial[AIOKafkaConsumer]", config.builder).keywords
        config.builder = partial(_Consumer, reader=self._reader, **options)
        await self._broker.start()

    async def stop(self) -> None:
        """Let the batch in flight finish, leave the group, disconnect."""
        await self._broker.stop()


def _handler(batch: Callable[[RawBatch], Awaitable[None]]) -> Callable[[RawBatch], Awaitable[None]]:
    async def read(raw: RawBatch) -> None:
        await batch(raw)

    return read
