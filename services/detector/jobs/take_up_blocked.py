"""Takes up what waited for a session, for a model or for its turn, when nothing blocks it any more.

A session that is taken back is followed at once, in the same transaction. This job finds what such a
transaction does not see: models that were loaded or mapped since, and clients that were erased. Sessions of a
client who has many at once are taken up beside the consumer, so that nobody else's ratings wait for them.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from services.detector.storage import blocked
from services.detector.stream.batch import MOST_FOLDS, Batch, Tools
from services.detector.stream.pipeline import run
from services.detector.stream.stages.decode import take_up, whose
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.http.health import Health
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.errors import Fault, Reject
from services.runtime.process.log import describe, get_logger

MOST_AT_ONCE = 500
LOOP = "take-up"
LOOK_EVERY_S = 30.0
"""How often a process looks for what another one left waiting."""

Count = Callable[[Batch, float], None]
"""Counts what happened in a batch that was committed at a time in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class TurnSize:
    """How much is taken up in one transaction: sessions of each of a number of dyads."""

    dyads: int
    sessions: int


SIZES = (TurnSize(20, MOST_FOLDS), TurnSize(1, MOST_FOLDS), TurnSize(1, 1))
"""After a failure the next smaller one is tried, until the record that causes it is alone."""


async def take_up_blocked(tx: Transaction, tools: Tools) -> Batch:
    """Take the oldest of what waits for nothing any more through the stages; return the batch."""
    batch = Batch(tx)
    take_up(batch, await blocked.read_due(tx.conn, tools.models.versions, MOST_AT_ONCE), tools.catalogue)
    return await run(batch, tools)


async def take_up_in_turn(tx: Transaction, tools: Tools, size: TurnSize = SIZES[0]) -> Batch:
    """Take the earliest sessions that wait for their turn through the stages; return the batch.

    Where they precede assessed ones, all of them do so at once. One session alone stays alone.
    """
    batch = Batch(tx, takes_all_before=size.sessions > 1)
    take_up(batch, await blocked.read_in_turn(tx.conn, size.dyads, size.sessions), tools.catalogue)
    return await run(batch, tools)


async def set_aside_next(tx: Transaction, failure: Reject) -> None:
    """Reject the record whose turn it is, which cannot be processed."""
    for cluster_id, record in await blocked.read_in_turn(tx.conn, 1, 1):
        tenant, subject_id = whose(record)
        tx.reject(record, failure, tenant=tenant, subject_id=subject_id, cluster_id=cluster_id)
        await blocked.delete(tx.conn, {blocked.position(cluster_id, record)})


class TakeUpInTurn:
    """Runs beside the consumer, in transactions of its own; several processes do not disturb one another."""

    def __init__(
        self,
        consumer: BatchConsumer,
        tools: Tools,
        many_wait: asyncio.Event,
        *,
        count: Count,
        health: Health,
        clock: Clock,
    ) -> None:
        """`many_wait` is set when something was found that has to wait for its turn."""
        self._consumer = consumer
        self._tools = tools
        self._many_wait = many_wait
        self._count = count
        self._health = health
        self._clock = clock
        self._stopping = asyncio.Event()
        self._backoff = Backoff()

    async def stop(self) -> None:
        """Stop after the current transaction."""
        self._stopping.set()
        self._many_wait.set()

    async def run(self) -> None:
        """Take up until stopped; after a failure go on with less, after a pause."""
        level, small = 0, 0
        while not self._stopping.is_set():
            self._health.beat(LOOP)
            self._many_wait.clear()
            try:
                pause_s = 0.0 if await self._take_up(SIZES[level]) else LOOK_EVERY_S
                small = small + 1 if level else 0
                level = level if small < MOST_FOLDS else 0
                self._backoff.reset()
            except Exception as error:
                # What is away or takes too long says so itself; only the unexpected needs its place.
                unexpected = None if isinstance(error, Fault) else error
                get_logger().warning("take-up-failed", why=describe(error), exc_info=unexpected)
                pause_s = self._backoff.next_s()
                if level + 1 < len(SIZES):
                    level += 1
                elif not isinstance(error, Fault):
                    await self._set_aside(error)
                    level = 0
            await self._pause(pause_s)
        self._health.end_loop(LOOP)

    async def _take_up(self, size: TurnSize) -> bool:
        taken = False

        async def work(tx: Transaction) -> None:
            nonlocal taken
            batch = await take_up_in_turn(tx, self._tools, size)
            taken = bool(batch.taken_up)
            at_s = tx.now.timestamp()
            tx.after_commit.append(lambda: self._count(batch, at_s))

        await self._consumer.transact(work)
        return taken

    async def _set_aside(self, error: Exception) -> None:
        failure = Reject("unprocessable", describe(error))
        with contextlib.suppress(Fault):  # the database is away: the next attempt comes here again
            await self._consumer.transact(lambda tx: set_aside_next(tx, failure))

    async def _pause(self, seconds: float) -> None:
        if not seconds:
            await asyncio.sleep(0)
            return
        pause = asyncio.create_task(self._clock.sleep(seconds))
        found = asyncio.create_task(self._many_wait.wait())
        await asyncio.wait([pause, found], return_when=asyncio.FIRST_COMPLETED)
        for task in (pause, found):
            task.cancel()
