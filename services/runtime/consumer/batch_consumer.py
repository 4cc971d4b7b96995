"""Reads batches of Kafka records and hands each to a handler inside one transaction; see order_of_effects."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.consumer_context import CONSUME_LOOP, ConsumerContext
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics, RecordHandling
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.kafka_session import KafkaSession
from services.runtime.consumer.order_of_effects import OrderOfEffects
from services.runtime.consumer.published_check import PublishedCheck
from services.runtime.consumer.self_check import SelfCheck
from services.runtime.consumer.startup_checks import check_tables
from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.outbox.committer import Committer
from services.runtime.outbox.outbox_publisher import OutboxPublisher
from services.runtime.outbox.relay import Relay
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.postgres.reconnecting_connection import ReconnectingConnection
from services.runtime.postgres.table_versions import TableVersions
from services.runtime.postgres.tenant_guard import why_unbound
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics, RetryReason
from services.runtime.process.errors import Halt, Retry
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.log import describe, get_logger
from services.runtime.process.retry_reason import retry_reason
from services.runtime.process.settings import DatabaseSettings, KafkaSettings

REQUESTS_CHECK = "requests"
_RELAY_EVERY_S = 5.0
_ABANDONED_ROWS_EVERY = 6
"""How many runs of the relay pass between two looks for rows that other processes abandoned."""
_PUBLISH_WAIT_S = 2.0
"""How long `transact` waits for Kafka: its work is stored, and the relay publishes it later."""


class BatchConsumer:
    """A service's consumer, which also lends its transaction and outbox to scheduled work.

    `service` names the PostgreSQL schema. Health gets the checks `kafka` (reading), `publishing`,
    `database`, `consumer` and `offsets`, and the loop `consume`.
    """

    def __init__(
        self,
        service: str,
        source: ConsumedTopics,
        handling: RecordHandling,
        limits: BatchLimits | None = None,
        *,
        kafka: KafkaSettings,
        database: DatabaseSettings,
        metrics: ConsumerMetrics,
        health: Health,
        clock: Clock,
        checkpoint: Checkpoint = no_checkpoint,
        serves_practices: bool = False,
        tables: TableVersions | None = None,
    ) -> None:
        """With `serves_practices`, health shows whether requests can act for a practice (`requests`).

        `tables` says on which tables this version runs; None for tables without migrations.
        """
        limits = limits or BatchLimits()
        self._service = service
        self._database = database
        self._serves_practices = serves_practices
        producer = Producer(kafka, metrics)
        publisher = OutboxPublisher(producer, metrics, health)
        assignment = Assignment(metrics)

        def report_progress() -> None:
            metrics.last_progress.set(clock.now().timestamp())
            health.beat(CONSUME_LOOP)
            health.set_hanging(CONSUME_LOOP, is_hanging=False)

        committer = Committer(
            service,
            publisher=publisher,
            rejection_event=handling.rejection_event,
            metrics=metrics,
            clock=clock,
            checkpoint=checkpoint,
            deadline_s=limits.transaction_deadline_s,
            scheduled_deadline_s=limits.scheduled_deadline_s,
            tables=tables,
        )
        effects = OrderOfEffects(
            handling.handle,
            owner_of=handling.owner_of,
            self_check=SelfCheck(
                handling.self_check,
                limits.transaction_deadline_s,
                report_hang=lambda: health.set_hanging(CONSUME_LOOP, is_hanging=True),
            ),
            assignment=assignment,
            committer=committer,
            publisher=publisher,
            fuse=Fuse(limits.fuse),
            metrics=metrics,
            checkpoint=checkpoint,
            report_alive=lambda: health.beat(CONSUME_LOOP),
            report_progress=report_progress,
            parallel_from_records=limits.parallel_from_records,
        )
        self._relay = Relay(
            database,
            committer,
            publisher,
            metrics,
            clock,
            owned=assignment.claim,
            report_database=self._report_database,
            look_at_role=self._look_at_role,
            look_at_tables=self._look_at_tables,
            abandoned_after_s=limits.abandoned_after_s,
        )
        self._context = ConsumerContext(
            kafka=kafka,
            source=source,
            limits=limits,
            connections=[
                ReconnectingConnection(
                    database,
                    service,
                    transaction_timeout_s=limits.transaction_deadline_s + limits.frozen_margin_s,
                )
                for _ in range(limits.parallel_transactions)
            ],
            producer=producer,
            publisher=publisher,
            committer=committer,
            assignment=assignment,
            published=PublishedCheck(
                kafka, handling.published, report_alive=lambda: health.beat(CONSUME_LOOP)
            ),
            effects=effects,
            backoff=Backoff(),
            metrics=metrics,
            health=health,
            clock=clock,
            stopping=asyncio.Event(),
            look_at_role=self._look_at_role,
        )
        self._session: KafkaSession | None = None
        self._relay_misses_database = False
        metrics.add_topics(source.all)
        for check in ("kafka", "database", "consumer"):
            health.set_bad(check, "starting")
        for check in ("publishing", "offsets"):
            health.set_good(check)

    @property
    def session(self) -> KafkaSession | None:
        """The current session with Kafka, if there is one."""
        return self._session

    @property
    def cluster_id(self) -> str:
        """The Kafka cluster that this is connected to, or was last; empty before the first connection."""
        return self._context.committer.cluster_id

    async def run(self) -> None:
        """Consume until stopped; an outage is shown in health and retried with back-off.

        After a `Halt` nothing is read any more, and health shows the reason until `stop`.
        """
        context = self._context
        relay = asyncio.create_task(self._keep_relaying(), name="relay")
        try:
            while not context.stopping.is_set():
                context.health.beat(CONSUME_LOOP)
                try:
                    self._session = KafkaSession(context)
                    await self._session.run()
                except Halt as halt:
                    await self._wait_halted(halt)
                except Exception as error:
                    await self._pause_after(error)
                finally:
                    self._session = None
        finally:
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)
            await context.close_connections()
            await context.producer.stop()
            context.health.end_loop(CONSUME_LOOP)
            for check in ("kafka", "database", "consumer"):
                context.health.set_bad(check, "stopped")

    async def stop(self) -> None:
        """Let `run` finish the batch in flight and return."""
        self._context.stopping.set()

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """Run scheduled work or a web response in a transaction of its own, and publish its records.

        When this returns the work is stored. Its records have been acknowledged, or will be published
        later by this process or another one.

        Raises:
            Retry: the database is away or too slow; nothing is stored.
            Exception: whatever `work` raised; nothing is stored.
        """
        context = self._context
        try:
            limits = context.limits
            connection = await connect_for_all_practices(
                self._database,
                self._service,
                transaction_timeout_s=limits.scheduled_deadline_s + limits.frozen_margin_s,
            )
            async with contextlib.AsyncExitStack() as stack:
                stack.push_async_callback(connection.close)
                await context.committer.commit(connection, work)
        except Exception as error:
            reason = retry_reason(error)
            if reason is None:
                raise
            context.metrics.retries.labels(reason=reason).inc()
            raise Retry(f"not stored, try again: {describe(error)}") from error
        try:
            async with asyncio.timeout(_PUBLISH_WAIT_S):
                await context.publisher.publish()
        except (Retry, TimeoutError) as error:
            context.metrics.retries.labels(reason=RetryReason.PUBLISH).inc()
            get_logger().warning("publishing-postponed", why=describe(error))

    def owned_partitions(self, topic: str) -> frozenset[int]:
        """Return the numbers of the topic's partitions that this process works on now."""
        return self._context.assignment.owned(topic)

    async def _keep_relaying(self) -> None:
        for run in itertools.count():
            await self._context.clock.sleep(_RELAY_EVERY_S)
            try:
                await self._relay.run_once(include_abandoned=run % _ABANDONED_ROWS_EVERY == 0)
            except Exception as error:
                get_logger().error("relay-failed-unexpectedly", exc_info=error)

    def _report_database(self, problem: str | None) -> None:
        """Show what the relay found: a consumer with nothing to read does not ask the database for long."""
        if problem is not None:
            self._context.health.set_bad("database", problem)
        elif self._relay_misses_database:
            self._context.health.set_good("database")
        self._relay_misses_database = problem is not None

    async def _look_at_role(self, connection: Connection) -> None:
        if not self._serves_practices:
            return
        problem = await why_unbound(connection, self._service)
        if problem is None:
            self._context.health.set_good(REQUESTS_CHECK)
        else:
            self._context.health.set_bad(REQUESTS_CHECK, problem)

    async def _wait_halted(self, halt: Halt) -> None:
        context = self._context
        get_logger().critical("halted", why=str(halt))
        context.metrics.halted.set(1)
        context.health.set_bad("consumer", f"halted: {halt}")
        context.health.end_loop(CONSUME_LOOP)
        await context.stopping.wait()

    async def _look_at_tables(self, connection: Connection) -> None:
        """Take no requests either while the tables do not fit; the next transaction says that it halts."""
        tables = self._context.committer.tables
        if tables is not None:
            with contextlib.suppress(Halt):
                await check_tables(connection, tables, self._context.metrics, self._context.health)

    async def _pause_after(self, error: Exception) -> None:
        context = self._context
        reason = retry_reason(error)
        shown = {RetryReason.DATABASE: "database", RetryReason.TOO_MUCH: "consumer", None: "consumer"}
        check = shown.get(reason, "kafka")
        context.health.set_bad(check, describe(error))
        context.metrics.retries.labels(reason=reason or RetryReason.OTHER).inc()
        if reason is None:
            get_logger().error("session-failed-unexpectedly", exc_info=error)
        else:
            get_logger().warning("surroundings-failed", reason=reason, why=describe(error))
        await context.close_connections()
        sleep = asyncio.ensure_future(context.clock.sleep(context.backoff.next_s()))
        stop = asyncio.ensure_future(context.stopping.wait())
        await asyncio.wait([sleep, stop], return_when=asyncio.FIRST_COMPLETED)
        for future in (sleep, stop):
            future.cancel()
