"""The parts of a consumer that outlive a session with Kafka."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics
from services.runtime.consumer.order_of_effects import OrderOfEffects
from services.runtime.consumer.published_check import PublishedCheck
from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.outbox.committer import Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.reconnecting_connection import ReconnectingConnection
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.settings import KafkaSettings

CONSUME_LOOP = "consume"
"""The name under which the consume loop reports to health that it is alive."""
READING_CHECKS = ("kafka", "publishing", "database", "consumer")
"""The checks that are good while records are read, applied and passed on."""


@dataclass(frozen=True, slots=True)
class ConsumerContext:
    """What outlives a session."""

    kafka: KafkaSettings
    source: ConsumedTopics
    limits: BatchLimits
    connections: Sequence[ReconnectingConnection]
    """One for each parallel transaction; all other work uses the first."""
    producer: Producer
    publisher: OutboxPublisher
    committer: Committer
    assignment: Assignment
    published: PublishedCheck
    effects: OrderOfEffects
    backoff: Backoff
    metrics: ConsumerMetrics
    health: Health
    clock: Clock
    stopping: asyncio.Event
    look_at_role: Callable[[Connection], Awaitable[None]]
    """Reports whether the service's login can act for a practice."""

    @property
    def connection(self) -> ReconnectingConnection:
        """The first connection."""
        return self.connections[0]

    def report_consumer(self) -> None:
        """Set the check `consumer` good, or bad with the reason while assigned partitions are not read."""
        problem = self.assignment.problem
        if problem is None:
            self.health.set_good("consumer")
        else:
            self.health.set_bad("consumer", problem)

    async def close_connections(self) -> None:
        """Close all connections; the server rolls back their open transactions."""
        for connection in self.connections:
            await connection.close()
