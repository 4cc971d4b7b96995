"""Runs the workers that send queued deliveries, and the sweep that queues those whose job was lost.

Beside them, it asks a server whether it is back for which messages wait, and sends them when it is.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from psycopg_pool import AsyncConnectionPool

from services.notifier.channels.channel import Channel, ServedChannel
from services.notifier.deliveries.feed_watch import FeedWatch
from services.notifier.deliveries.queue import QUEUES_OF_WORKERS, DeliveryQueue
from services.notifier.directory.store import Connection
from services.notifier.metrics import NotifierMetrics
from services.notifier.settings import WorkerSettings
from services.runtime.http.health import Health
from services.runtime.postgres.retention import Retention
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.log import describe, get_logger

CHECK = "sender"
LOOP = "sweep"

_HEARTBEAT_S = 2.0
_POLL_S = 1.0
"""For what no notification announces: a pause that is over. A message that becomes free is announced."""
_STALLED_AFTER_S = 10.0
_SHUTDOWN_GRACE_S = 10.0
_STABLE_AFTER_S = 30.0


class DeliveryWorker:
    """Runs procrastinate's workers, and starts them again after PostgreSQL was unavailable."""

    def __init__(
        self,
        *,
        queue: DeliveryQueue,
        jobs: AsyncConnectionPool[Connection],
        pool: AsyncConnectionPool[Connection],
        settings: WorkerSettings,
        metrics: NotifierMetrics,
        health: Health,
        clock: Clock,
        feeds: FeedWatch,
        retention: Retention,
        servers: Mapping[Channel, ServedChannel],
    ) -> None:
        self._queue = queue
        self.jobs = jobs
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._feeds = feeds
        self.retention = retention
        self._servers = servers
        self._stopped = asyncio.Event()
        health.set_bad(CHECK, "starting")

    async def run(self) -> None:
        """Send deliveries until stopped."""
        await self.jobs.open(wait=False)
        await self._queue.app.open_async(self.jobs)
        tasks = [
            *(
                asyncio.create_task(self._restart_on_failure(partial(self._work, queues)), name=queues[0])
                for queues in QUEUES_OF_WORKERS
            ),
            asyncio.create_task(self._restart_on_failure(self._sweep), name="sweep"),
            *(
                asyncio.create_task(self._restart_on_failure(partial(self._ask, *one)), name=f"ask-{one[0]}")
                for one in self._servers.items()
            ),
        ]
        await self._stopped.wait()
        # procrastinate takes the cancellation as a request: attempts in flight are finished first.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._health.end_loop(LOOP)
        self._health.set_bad(CHECK, "stopped")
        await self.jobs.close()

    async def stop(self) -> None:
        """Stop once the attempts in flight are finished."""
        self._stopped.set()

    async def _restart_on_failure(self, part: Callable[[], Awaitable[None]]) -> None:
        back_off = Backoff(first_s=0.2, cap_s=10.0)
        while not self._stopped.is_set():
            began = self._clock.monotonic()
            try:
                await part()
            except Exception as error:
                self._health.set_bad(CHECK, describe(error))
                get_logger().warning("sender-interrupted", error=describe(error))
            if self._clock.monotonic() - began > _STABLE_AFTER_S:
                back_off.reset()
            await self._clock.sleep(back_off.next_s())

    async def _work(self, queues: Sequence[str]) -> None:
        # It returns when one of its side tasks has failed, and raises when one of its own statements has.
        await self._queue.app.run_worker_async(
            queues=list(queues),
            concurrency=self._settings.worker_concurrency,
            fetch_job_polling_interval=_POLL_S,
            install_signal_handlers=False,
            shutdown_graceful_timeout=_SHUTDOWN_GRACE_S,
            update_heartbeat_interval=_HEARTBEAT_S,
            stalled_worker_timeout=_STALLED_AFTER_S,
            delete_jobs="always",
        )

    async def _transact(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        async with self._pool.connection() as conn:
            await work(conn)

    async def _sweep(self) -> None:
        while not self._stopped.is_set():
            self._health.beat(LOOP)
            taken_up = await self._queue.sweep(self._pool, _STALLED_AFTER_S, self._clock.now())
            await self._feeds.look(self._clock.now())
            await self.retention.run_when_due(self._transact, self._clock.now(), self._stopped.is_set)
            async with self._pool.connection() as conn:
                await self._metrics.measure(conn, self._clock.now())
            self._health.set_good(CHECK)
            if taken_up:
                get_logger().info("jobs-taken-up", jobs=taken_up)
            await self._pause()

    async def _ask(self, channel: Channel, server: ServedChannel) -> None:
        # Only a return is a reason to try before the pause is over. Before the first answer, nobody knows.
        was_away = True
        while not self._stopped.is_set():
            if await self._queue.wait_for_server(self._pool, channel):
                answers = await server.answers()
                if answers and was_away:
                    messages = await self._queue.try_now(self._pool, channel)
                    get_logger().info("server-is-back", channel=channel.value, messages=messages)
                was_away = not answers
            await self._pause()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), self._settings.sweep_s)
