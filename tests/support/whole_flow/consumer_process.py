"""Takes one process's consumer through its work step by step, until it stops or crashes."""

import asyncio
import contextlib
from typing import cast

from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_context import ConsumerContext
from services.runtime.consumer.kafka_session import KafkaSession
from services.runtime.consumer.partition_setup import prepare_partitions
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Halt
from services.runtime.process.retry_reason import retry_reason
from tests.support.whole_flow.kafka_log import KafkaLog, LogProducer, LogSubscription


class ProcessCrash(BaseException):
    """The end of a process: nothing of its memory is left."""


class CrashPlan:
    """Ends a process when it reaches a place for the nth time: a checkpoint, a stage, a send or a mail."""

    def __init__(self) -> None:
        self.place: str | None = None
        self.left = 0

    def arm(self, place: str, time: int = 1) -> None:
        """Crash at this place, at the nth time."""
        self.place, self.left = place, time

    def disarm(self) -> None:
        """Crash nowhere."""
        self.place = None

    def reach(self, place: str) -> None:
        """Note that a place is reached.

        Raises:
            ProcessCrash: it is the one.
        """
        if place == self.place:
            self.left -= 1
            if self.left <= 0:
                self.disarm()
                raise ProcessCrash(place)


class ConsumerProcess:
    """One process: the consumer as its service builds it, with the doubles of its Kafka clients.

    What `BatchConsumer.run` and aiokafka's tasks do concurrently is done here in turn: `step` prepares the
    partitions if they have to be, polls once, and processes what was read.
    """

    def __init__(self, consumer: BatchConsumer, log: KafkaLog) -> None:
        self.consumer = consumer
        self.context: ConsumerContext = consumer._context
        self._log = log
        self._session: KafkaSession | None = None

    @property
    def subscription(self) -> LogSubscription:
        """The double that its session reads from."""
        assert self._session is not None
        subscription = self._session.subscription
        assert isinstance(subscription, LogSubscription)
        return subscription

    async def step(self) -> bool:
        """Poll once; return whether something was read, or has to be read again.

        Raises:
            ProcessCrash: the process ended here.
        """
        session = await self._live_session()
        if session is None:
            return False
        if session._must_prepare.is_set() or self.context.assignment.halted:
            await self._prepare(session)
        records, out_of_range = self.subscription.consumer.poll(self.context.limits.max_records)
        if out_of_range:
            await session.on_out_of_range()
        await session.on_poll(len(records))
        if records:
            await session.on_batch(tuple(records))
        return bool(records) or session._must_prepare.is_set() or session._ended.done()

    async def stop(self) -> None:
        """Stop as after SIGTERM: nothing is left half done."""
        if self._session is not None:
            await self._session.on_revoked(self.context.assignment.assigned)
        await self.context.close_connections()

    async def kill(self) -> None:
        """End without clean-up; the server rolls back what is open."""
        cast("LogProducer", self.context.producer).ended = True
        for task in asyncio.all_tasks():
            if task.get_name() == "in-flight-batch":
                task.cancel()
                with contextlib.suppress(BaseException):
                    await task
        await self.context.close_connections()

    async def _live_session(self) -> KafkaSession | None:
        """Return the session, a new one after the last has failed; None while the database is away."""
        if self._session is not None and self._session._ended.done():
            error = self._session._ended.exception()
            assert isinstance(error, Exception), error
            assert not isinstance(error, Halt), error
            self.context.assignment.revoke_all()
            await self.context.close_connections()
            self._session = None
        if self._session is None:
            context = self.context
            try:
                connection = await context.connection.get()
                async with connection.transaction():
                    await context.committer.positions.check_cluster(
                        connection, self._log.cluster_id, adopt=False
                    )
            except Exception as error:
                if retry_reason(error) is not RetryReason.DATABASE:
                    raise
                await context.close_connections()
                return None
            context.committer.cluster_id = self._log.cluster_id
            self._session = KafkaSession(context)
            self._session.on_assigned(self.subscription.partitions)
        return self._session

    async def _prepare(self, session: KafkaSession) -> None:
        session._must_prepare.clear()
        context = self.context
        try:
            async with session._lock:
                await prepare_partitions(
                    await context.connection.get(),
                    session.subscription.consumer,
                    assignment=context.assignment,
                    committer=context.committer,
                    publisher=context.publisher,
                    published=context.published,
                    adopt=False,
                )
        except Halt:
            raise
        except Exception as error:
            if (reason := retry_reason(error)) is None:
                raise
            session._processor.record_failure(error, reason)
            await context.close_connections()
            session._must_prepare.set()
