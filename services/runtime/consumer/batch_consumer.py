"""Consuming: batches of records in, each handed to a handler inside one transaction; see order_of_effects."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable, Sequence

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.consumer_context import LOOP, ConsumerContext
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.kafka_session import KafkaSession
from services.runtime.consumer.order_of_effects import Handler, OrderOfEffects, OwnerOf, no_owner
from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.outbox.committer import Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.relay import LEFT_BEHIND_AFTER_S, Relay
from services.runtime.outbox.transaction import RejectionEventFactory, Transaction
from services.runtime.postgres.connect import connect
from services.runtime.postgres.reconnecting_connection import ReconnectingConnection
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.log import describe, get_logger
from services.runtime.process.metrics import Metrics, RetryReason
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import DatabaseSettings, FuseSettings, KafkaSettings

_RELAY_EVERY_S = 5.0
_OTHERS_EVERY = 6
_ANSWER_S = 2.0
"""How long `transact` waits for Kafka: what it stored is safe, and the relay publishes it later."""


class BatchConsumer:
    """One service's consumer: reads topics, and lends its transaction and outbox to scheduled work.

    `service` names the PostgreSQL schema. `handle` is called with records of several topics and partitions,
    in order within each partition, inside an open transaction; it may be rolled back and called again.
    `whose` says to whom a record belongs that is set aside alone. `co_partitioned` lists the topics that
    must have the same number of partitions. A batch of `strands_from` records or more is worked off in up to
    `strands` transactions at the same time. Health gets the checks `kafka` (reading from it), `publishing`,
    `database`, `consumer` and `offsets`, and the loop `consume`.
    """

    def __init__(
        self,
        *,
        service: str,
        kafka: KafkaSettings,
        database: DatabaseSettings,
        topics: Sequence[str],
        group: str,
        handle: Handler,
        rejected_event: RejectionEventFactory,
        metrics: Metrics,
        health: Health,
        clock: Clock,
        checkpoint: Checkpoint = no_checkpoint,
        whose: OwnerOf = no_owner,
        co_partitioned: Sequence[str] = (),
        max_records: int = 512,
        batch_timeout_ms: int = 25,
        strands: int = 1,
        strands_from: int = 256,
        transaction_deadline_s: float = 60.0,
        fuse: FuseSettings | None = None,
        left_behind_after_s: float = LEFT_BEHIND_AFTER_S,
    ) -> None:
        self._service = service
        self._database = database
        producer = Producer(kafka, metrics)
        publisher = OutboxPublisher(producer, metrics, health)
        assignment = Assignment(metrics)
        committer = Committer(
            service,
            publisher=publisher,
            rejected_event=rejected_event,
            metrics=metrics,
            clock=clock,
            checkpoint=checkpoint,
            deadline_s=transaction_deadline_s,
        )
        effects = OrderOfEffects(
            handle,
            whose=whose,
            assignment=assignment,
            committer=committer,
            publisher=publisher,
            fuse=Fuse(fuse or FuseSettings()),
            metrics=metrics,
            checkpoint=checkpoint,
            alive=lambda: health.beat(LOOP),
            strands_from=strands_from,
        )
        self._relay = Relay(database, committer, publisher, metrics, left_behind_after_s=left_behind_after_s)
        self._parts = ConsumerContext(
            kafka=kafka,
            topics=tuple(topics),
            co_partitioned=tuple(co_partitioned),
            group=group,
            max_records=max_records,
            batch_timeout_ms=batch_timeout_ms,
            links=[ReconnectingConnection(database, service) for _ in range(strands)],
            producer=producer,
            publisher=publisher,
            committer=committer,
            assignment=assignment,
            effects=effects,
            backoff=Backoff(),
            metrics=metrics,
            health=health,
            clock=clock,
            stopping=asyncio.Event(),
        )
        metrics.know_topics(dict.fromkeys((*topics, *co_partitioned)))
        for name in ("kafka", "database", "consumer"):
            health.set_bad(name, "starting")
        for name in ("publishing", "offsets"):
            health.set_good(name)

    @property
    def session(self) -> KafkaSession | None:
        """The current session with Kafka, if there is one."""
        return self._session

    _session: KafkaSession | None = None

    async def run(self) -> None:
        """Consume until stopped; what fails around us is shown in health and tried again with back-off.

        After a `Halt` nothing is read any more: the reason stays in health until `stop`.
        """
        parts = self._parts
        relay = asyncio.create_task(self._keep_relaying(), name="relay")
        try:
            while not parts.stopping.is_set():
                parts.health.beat(LOOP)
                try:
                    self._session = KafkaSession(parts)
                    await self._session.run()
                except Halt as halt:
                    await self._stand_still(halt)
                except Exception as error:
                    await self._pause_after(error)
                finally:
                    self._session = None
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)
            await parts.drop_links()
            await parts.producer.stop()
            parts.health.rest(LOOP)
            for name in ("kafka", "database", "consumer"):
                parts.health.set_bad(name, "stopped")

    async def stop(self) -> None:
        """Finish the batch in flight; `run` returns then."""
        self._parts.stopping.set()

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """Run scheduled work or a web answer in a transaction of its own, and publish what it says.

        When this returns the work is stored; what it publishes has been acknowledged, or will be published
        later, by this process or by another one.

        Raises:
            Retry: the database is away; nothing happened.
            Exception: whatever `work` raised; nothing happened.
        """
        parts = self._parts
        try:
            conn = await connect(self._database, self._service)
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(conn.close)
                await parts.committer.commit(conn, work)
        except Exception as error:
            reason = retry_reason(error)
            if reason is None:
                raise
            parts.metrics.retries.labels(reason=reason).inc()
            raise Retry(f"not stored, try again: {describe(error)}") from error
        try:
            async with asyncio.timeout(_ANSWER_S):
                await parts.publisher.publish()
        except (Retry, TimeoutError) as error:
            parts.metrics.retries.labels(reason=RetryReason.PUBLISH).inc()
            get_logger().warning("publishing-postponed", why=describe(error))

    def owned(self, topic: str) -> frozenset[int]:
        """The partitions of a topic that are this process's to work on now."""
        return self._parts.assignment.owned(topic)

    async def _keep_relaying(self) -> None:
        for turn in itertools.count():
            await self._parts.clock.sleep(_RELAY_EVERY_S)
            try:
                await self._relay.once(others=turn % _OTHERS_EVERY == 0)
            except Exception as error:
                get_logger().error("relay-failed-unexpectedly", exc_info=error)

    async def _stand_still(self, halt: Halt) -> None:
        parts = self._parts
        get_logger().critical("halted", why=str(halt))
        parts.metrics.halted.set(1)
        parts.health.set_bad("consumer", f"halted: {halt}")
        parts.health.rest(LOOP)
        await parts.stopping.wait()

    async def _pause_after(self, error: Exception) -> None:
        parts = self._parts
        reason = retry_reason(error)
        name = {RetryReason.DATABASE: "database", None: "consumer"}.get(reason, "kafka")
        parts.health.set_bad(name, describe(error))
        parts.metrics.retries.labels(reason=reason or RetryReason.OTHER).inc()
        if reason is None:
            get_logger().error("session-failed-unexpectedly", exc_info=error)
        else:
            get_logger().warning("surroundings-failed", reason=reason, why=describe(error))
        await parts.drop_links()
        sleep = asyncio.ensure_future(parts.clock.sleep(parts.backoff.next_s()))
        stop = asyncio.ensure_future(parts.stopping.wait())
        await asyncio.wait([sleep, stop], return_when=asyncio.FIRST_COMPLETED)
        for future in (sleep, stop):
            future.cancel()
