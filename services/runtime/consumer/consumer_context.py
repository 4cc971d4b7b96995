"""The parts of a consumer that outlive a session with Kafka."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.order_of_effects import OrderOfEffects
from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.outbox.committer import Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.postgres.reconnecting_connection import ReconnectingConnection
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings

LOOP = "consume"
"""The name under which the loop tells that it goes round."""


@dataclass(frozen=True, slots=True)
class ConsumerContext:
    """What outlives a session."""

    kafka: KafkaSettings
    topics: Sequence[str]
    co_partitioned: Sequence[str]
    group: str
    max_records: int
    batch_timeout_ms: int
    links: Sequence[ReconnectingConnection]
    """A connection for each strand; whoever needs only one takes the first."""
    producer: Producer
    publisher: OutboxPublisher
    committer: Committer
    assignment: Assignment
    effects: OrderOfEffects
    backoff: Backoff
    metrics: Metrics
    health: Health
    clock: Clock
    stopping: asyncio.Event

    @property
    def link(self) -> ReconnectingConnection:
        """The first connection."""
        return self.links[0]

    async def drop_links(self) -> None:
        """Close all connections; the server rolls back what was open."""
        for link in self.links:
            await link.drop()
