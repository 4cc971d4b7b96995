"""Sends dyads whose open episode has had no session for long through the stages, once a day.

The day is passed as a value: what a sweep decides depends only on it and on the history. It is that of the
database's clock, which all processes share. Each process sweeps the partitions that it owns; a row per
partition holds the last day that was swept, by whichever process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from functools import partial
from math import nan
from typing import Protocol
from uuid import UUID

from schemas import topics
from schemas.ids import CaseId, ClientId, Dyad, DyadId, PracticeId, TherapistId
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.episodes import SILENT_DAYS
from services.detector.jobs.decide_restored import decide_restored
from services.detector.jobs.renew_statistics import add_statistics, newest_statistics
from services.detector.jobs.renew_thresholds import add_threshold, newest_thresholds, start_thresholds
from services.detector.jobs.take_up_blocked import MOST_AT_ONCE, take_up_blocked
from services.detector.jobs.weekly_jobs import WeeklyJob, mark_tried, practices_due
from services.detector.metrics import DetectorMetrics
from services.detector.storage.blocked import read_oldest
from services.detector.storage.sandboxes import longest_ago
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.pipeline import run
from services.runtime.http.health import Health
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.retention import Retention
from services.runtime.process.clock import Clock
from services.runtime.process.errors import Fault
from services.runtime.process.log import describe, get_logger
from services.runtime.process.sandbox import IN_SANDBOX

LOOP = "sweep"
ROWS_PARTITION = 0
"""The process that owns this partition renews the practices' thresholds and statistics, and deletes what is
over."""

# Clocks of replicas may differ by a day around midnight; a day further ahead is a clock's error.
_DONE = "SELECT partition FROM detector.sweep WHERE day BETWEEN %s AND %s AND partition = ANY(%s)"
_MARK = """
INSERT INTO detector.sweep AS s (partition, day) SELECT unnest(%s::int[]), %s
ON CONFLICT (partition) DO UPDATE SET day = CASE WHEN s.day > EXCLUDED.day + 1 THEN EXCLUDED.day
    ELSE greatest(s.day, EXCLUDED.day) END
"""
_DUE = """
SELECT dyad_id, practice_id, therapist_id, client_id, case_id, record_key, partition FROM detector.dyad
WHERE open_since < %s AND partition = ANY(%s) AND dyad_id > %s ORDER BY dyad_id LIMIT %s
"""
_OPEN_EPISODES = f"""
SELECT count(*) FROM detector.dyad
WHERE open_since IS NOT NULL AND NOT {IN_SANDBOX.format(column="practice_id")}
"""
_TODAY = "SELECT (now() AT TIME ZONE 'utc')::date"
_FIRST = UUID(int=0)


class TransactionRunner(Protocol):
    """Runs work in transactions: the consumer does."""

    def owned_partitions(self, topic: str) -> frozenset[int]:
        """Return the partitions of a topic that this process owns now."""

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """Run work in a transaction of its own, and publish its events."""


class DailySweep:
    """Runs beside the consumer, in transactions of the consumer."""

    def __init__(
        self,
        consumer: TransactionRunner,
        tools: Tools,
        *,
        metrics: DetectorMetrics,
        health: Health,
        clock: Clock,
        retention: Retention,
        every_s: float,
        max_dyads: int,
    ) -> None:
        self._consumer = consumer
        self._tools = tools
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._retention = retention
        self._every_s = every_s
        self._max_dyads = max_dyads
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Sweep each new day until stopped; a failed sweep is repeated after the next pause."""
        stopping = asyncio.create_task(self._stopping.wait())
        while not self._stopping.is_set():
            self._health.beat(LOOP)
            try:
                await self.sweep(await self._today())
                await self._delete_what_is_over()
            except Fault as fault:
                get_logger().warning("sweep-postponed", why=describe(fault))
            except Exception as error:
                get_logger().error("sweep-failed", exc_info=error)
            pause = asyncio.create_task(self._clock.sleep(self._every_s))
            await asyncio.wait([pause, stopping], return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
        self._health.end_loop(LOOP)

    async def _today(self) -> date:
        """Return the day by the database's clock: one that is ahead would call open episodes silent."""
        today = self._clock.now().date()

        async def read(tx: Transaction) -> None:
            nonlocal today
            ((today,),) = await (await tx.conn.execute(_TODAY)).fetchall()

        if self._consumer.owned_partitions(topics.SESSION_RATED.name):
            await self._consumer.transact(read)
        return today

    async def stop(self) -> None:
        """Stop after the current transaction."""
        self._stopping.set()

    async def _delete_what_is_over(self) -> None:
        if ROWS_PARTITION not in self._consumer.owned_partitions(topics.SESSION_RATED.name):
            return

        async def transact(work: Callable[[Connection], Awaitable[None]]) -> None:
            await self._consumer.transact(lambda tx: work(tx.conn))

        await self._retention.run_when_due(transact, self._clock.now(), self._stopping.is_set)

    async def sweep(self, day: date) -> None:
        """Sweep the partitions of this process that were not swept on that day.

        Raises:
            Fault: database or broker failed, or a model is missing; finished transactions remain.
        """
        await self._decide_restored()
        if ROWS_PARTITION in self._consumer.owned_partitions(topics.SESSION_RATED.name):
            await self._consumer.transact(lambda tx: start_thresholds(tx, self._tools.models))
            await self._take_up_blocked()
        else:
            self._metrics.blocked_since.set(nan)
            self._metrics.episodes_open.set(nan)
            self._metrics.sandbox_erased.set(nan)
        partitions = await self._unswept(day)
        if not partitions:
            return
        after = _FIRST
        while not self._stopping.is_set():
            swept = await self._sweep_next(day, partitions, after)
            if len(swept) < self._max_dyads:
                break
            after = swept[-1]
        else:
            return
        if ROWS_PARTITION in partitions:
            for job in weekly_jobs(self._tools):
                await self._run_weekly(job, day)
        if self._stopping.is_set():
            return  # the next start goes on with the practices that are not marked yet
        await self._consumer.transact(lambda tx: _mark(tx, partitions, day))
        self._metrics.last_sweep.set(self._clock.now().timestamp())

    async def _run_weekly(self, job: WeeklyJob, day: date) -> None:
        due: list[str] = []

        async def read_due(tx: Transaction) -> None:
            due[:] = await practices_due(tx, job, day)

        await self._consumer.transact(read_due)
        for practice in due:
            if self._stopping.is_set():
                return
            self._health.beat(LOOP)
            try:
                await self._consumer.transact(partial(mark_tried, job=job, day=day, practice=practice))
                await self._consumer.transact(partial(job.add, practice=practice))
            except Fault as fault:  # a practice whose sessions take too long must not hold up the others
                get_logger().warning(
                    "renewal-postponed", job=job.name, practice=practice, why=describe(fault)
                )

    async def _decide_restored(self) -> None:
        owned = self._consumer.owned_partitions(topics.SESSION_RATED.name)
        last: UUID | None = _FIRST

        async def work(tx: Transaction) -> None:
            nonlocal last
            assert last is not None  # noqa: S101 - the loop ends before
            batch, last = await decide_restored(tx, self._tools, owned, last)
            at_s = tx.now.timestamp()
            tx.after_commit.append(lambda: self._metrics.add(batch.counts, at_s))

        while owned and last is not None and not self._stopping.is_set():
            await self._consumer.transact(work)

    async def _take_up_blocked(self) -> None:
        def count(batch: Batch, at_s: float) -> None:
            self._metrics.add(batch.counts, at_s)

        taken = MOST_AT_ONCE
        while taken == MOST_AT_ONCE and not self._stopping.is_set():
            self._health.beat(LOOP)
            taken = await take_up_blocked(self._consumer.transact, self._tools, count)
        since_s = erased_s = nan

        async def read_since(tx: Transaction) -> None:
            nonlocal since_s, erased_s
            erased_at = await longest_ago(tx.conn)
            erased_s = nan if erased_at is None else erased_at.timestamp()
            oldest = await read_oldest(tx.conn)
            since_s = nan if oldest is None else oldest.timestamp()
            for (number,) in await (await tx.conn.execute(_OPEN_EPISODES)).fetchall():
                self._metrics.episodes_open.set(number)

        await self._consumer.transact(read_since)
        self._metrics.blocked_since.set(since_s)
        self._metrics.sandbox_erased.set(erased_s)

    async def _unswept(self, day: date) -> list[int]:
        owned = sorted(self._consumer.owned_partitions(topics.SESSION_RATED.name))
        done: set[int] = set()

        async def read_done(tx: Transaction) -> None:
            rows = await tx.conn.execute(_DONE, (day, day + timedelta(days=1), owned))
            done.update(partition for (partition,) in await rows.fetchall())

        if owned:
            await self._consumer.transact(read_done)
        return [partition for partition in owned if partition not in done]

    async def _sweep_next(self, day: date, partitions: Sequence[int], after: UUID) -> list[UUID]:
        swept: list[UUID] = []

        async def work(tx: Transaction) -> None:
            batch = await due_dyads(tx, day, partitions, after, self._max_dyads)
            swept[:] = list(batch.dyads)
            await run(batch, self._tools)
            at_s = tx.now.timestamp()
            tx.after_commit.append(lambda: self._metrics.add(batch.counts, at_s))

        await self._consumer.transact(work)
        return swept


def weekly_jobs(tools: Tools) -> tuple[WeeklyJob, ...]:
    """Return what is renewed of each practice once a week."""
    return (
        WeeklyJob(
            "thresholds",
            partial(newest_thresholds, models=tools.models),
            partial(add_threshold, models=tools.models),
        ),
        WeeklyJob("statistics", newest_statistics, partial(add_statistics, catalogue=tools.catalogue)),
    )


async def due_dyads(tx: Transaction, day: date, partitions: Sequence[int], after: UUID, limit: int) -> Batch:
    """Return up to `limit` dyads whose open episode has had no session for `SILENT_DAYS`, in a batch."""
    last = day - timedelta(days=SILENT_DAYS)
    rows = await (await tx.conn.execute(_DUE, (last, list(partitions), after, limit))).fetchall()
    batch = Batch(tx, day=day)
    for id_, practice, therapist, client, case, key, partition in rows:
        who = Dyad(PracticeId(practice), TherapistId(therapist), ClientId(client), CaseId(case))
        batch.dyads[DyadId(id_)] = DyadWork(DyadId(id_), who, key, partition)
    return batch


async def _mark(tx: Transaction, partitions: Sequence[int], day: date) -> None:
    await tx.conn.execute(_MARK, (list(partitions), day))
