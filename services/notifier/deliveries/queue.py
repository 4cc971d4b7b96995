"""Queues deliveries as procrastinate jobs in PostgreSQL.

A message that is due at once is queued in the transaction that writes its delivery: neither exists without
the other. One that is due later has no job until then. The sweep queues what is due and has no job, and what
a dead worker left (after a restore, or an emptied queue, too). procrastinate names its tables without a
schema, so the search path of a transaction that queues is set to theirs and set back.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from psycopg_pool import AsyncConnectionPool

from services.notifier.channels.channel import OF_THE_SERVER, OUTGOING, Channel, Purpose
from services.notifier.deliveries.retry_policy import BackOff, retry_queue
from services.notifier.directory.store import Connection
from services.notifier.domain.delivery import OPEN_STATES, DeliveryState
from services.runtime.postgres.connect import conninfo
from services.runtime.process.settings import DatabaseSettings

SCHEMA = "notifier_jobs"
DELIVER = "deliver"
LINK_QUEUE = "link-requests"
ANSWER = "answer-link-request"
SIGN_IN_QUEUE = "sign-in"
QUEUE_BEFORE = "deliveries"
"""The one queue of all deliveries in the versions before; nothing new is put into it."""

QUEUES_OF_WORKERS: tuple[tuple[str, ...], ...] = (
    (LINK_QUEUE, SIGN_IN_QUEUE),
    *((channel.value,) for channel in OUTGOING),
    *((retry_queue(channel.value),) for channel in OUTGOING),
    (QUEUE_BEFORE,),
)
"""The queues of each worker. None waits for another: neither sign-in for mail, mail for webhooks, nor a first
attempt for a further one."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""By how much the clocks of replicas may differ; what lies further ahead was written with a wrong clock."""
_WAIT_S = 5.0
_WAITING_FOR_SERVER = (
    "SELECT delivery_id::text FROM notifier.delivery"
    " WHERE state = %(retrying)s AND channel = %(channel)s AND reason = ANY(%(reasons)s)"
)


def _of_server(channel: Channel) -> dict[str, object]:
    reasons = [reason.value for reason in OF_THE_SERVER]
    return {"retrying": DeliveryState.RETRYING.value, "channel": channel.value, "reasons": reasons}


def jobs_pool(settings: DatabaseSettings, max_size: int) -> AsyncConnectionPool[Connection]:
    """Return a pool, not yet open, whose connections find procrastinate's tables."""
    return AsyncConnectionPool(
        # Called for each connection, because the password may have changed.
        partial(conninfo, settings, "notifier-jobs", {"search_path": SCHEMA}),
        min_size=1,
        max_size=max_size,
        open=False,
        timeout=_WAIT_S,
        check=AsyncConnectionPool.check_connection,
        name="jobs",
    )


class DeliveryQueue:
    """The queue of deliveries."""

    def __init__(self, back_off: BackOff) -> None:
        self.app = App(connector=PsycopgConnector())
        self._back_off = back_off

    def register(self, deliver: Callable[[UUID], Awaitable[None]]) -> None:
        """Register the function that a job calls with its delivery's id."""

        @self.app.task(name=DELIVER, retry=self._back_off)
        async def attempt(delivery_id: str) -> None:
            await deliver(UUID(delivery_id))

    def register_link_requests(self, answer: Callable[[UUID], Awaitable[None]]) -> None:
        """Register the function that a job calls with the id of a request for a sign-in link."""

        @self.app.task(name=ANSWER, queue=LINK_QUEUE, retry=self._back_off)
        async def attempt(request_id: str) -> None:
            await answer(UUID(request_id))

    async def defer_link_request(self, conn: Connection, request_id: UUID) -> None:
        """Queue a job for a request for a link, in the open transaction of `conn`."""
        task = self.app.configure_task(ANSWER, queue=LINK_QUEUE, allow_unknown=True)
        await self._defer(conn, [task.make_new_job(request_id=str(request_id))])

    async def defer(self, conn: Connection, deliveries: Sequence[UUID]) -> None:
        """Queue a job for each delivery, in the open transaction of `conn`.

        One first attempt of a practice runs at a time in each queue: however many wait, and however long
        their receivers take, other practices' come in between.

        Raises:
            psycopg.Error: as any statement on `conn`.
        """
        rows = await conn.execute(
            "SELECT delivery_id, purpose, channel, practice_id, state FROM notifier.delivery"
            " JOIN unnest(%s::uuid[]) WITH ORDINALITY AS wanted (delivery_id, number) USING (delivery_id)"
            " ORDER BY number",
            (list(deliveries),),
        )
        await self._defer(conn, [self._job(*row) for row in await rows.fetchall()])

    def _job(self, delivery: UUID, purpose: str, channel: str, practice: str, state: str) -> Job:
        queue, lock = channel, f"{channel}/{practice}"
        if purpose == Purpose.SIGN_IN:
            queue, lock = SIGN_IN_QUEUE, str(delivery)
        elif state == DeliveryState.RETRYING:
            queue, lock = retry_queue(channel), str(delivery)
        task = self.app.configure_task(
            DELIVER, queue=queue, lock=lock, queueing_lock=str(delivery), allow_unknown=True
        )
        return task.make_new_job(delivery_id=str(delivery))

    async def _defer(self, conn: Connection, jobs: list[Job]) -> None:
        before = await (await conn.execute("SELECT current_setting('search_path')")).fetchone()
        await conn.execute("SELECT set_config('search_path', %s, true)", (SCHEMA,))
        try:
            await self.app.job_manager.batch_defer_jobs_async(jobs, connection=conn)
        except ConnectorException as error:
            raise error.__cause__ or error from None
        await conn.execute("SELECT set_config('search_path', %s, true)", before)

    async def sweep(
        self, pool: AsyncConnectionPool[Connection], stalled_after_s: float, now: datetime
    ) -> int:
        """Queue what is due and has no job, and what a dead worker left; return the number of jobs queued.

        What was planned while the clock was ahead is due now.
        """
        await self._bring_back(pool, now)
        stalled = list(await self.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_after_s))
        for job in stalled:
            await self.app.job_manager.retry_job(job)
        async with pool.connection() as conn:
            rows = await conn.execute(
                "SELECT delivery_id FROM notifier.delivery WHERE state = ANY(%s) AND due_at <= %s"
                " AND NOT EXISTS (SELECT FROM notifier_jobs.procrastinate_jobs"
                " WHERE queueing_lock = delivery_id::text AND status IN ('todo', 'doing'))"
                " FOR UPDATE SKIP LOCKED",
                (list(OPEN_STATES), now),
            )
            orphans = [row[0] for row in await rows.fetchall()]
            if orphans:
                await self.defer(conn, orphans)
        return len(stalled) + len(orphans)

    async def wait_for_server(self, pool: AsyncConnectionPool[Connection], channel: Channel) -> bool:
        """Return whether messages wait for a further attempt because of the channel's server."""
        async with pool.connection() as conn:
            rows = await conn.execute(f"SELECT EXISTS ({_WAITING_FOR_SERVER})", _of_server(channel))
            return await rows.fetchone() == (True,)

    async def try_now(self, pool: AsyncConnectionPool[Connection], channel: Channel) -> int:
        """Let these messages be tried at once; return how many. What waits for a morning waits on."""
        async with pool.connection() as conn:
            done = await conn.execute(
                "UPDATE notifier_jobs.procrastinate_jobs SET scheduled_at = now()"
                f" WHERE status = 'todo' AND queueing_lock IN ({_WAITING_FOR_SERVER})",
                _of_server(channel),
            )
            return done.rowcount

    async def _bring_back(self, pool: AsyncConnectionPool[Connection], now: datetime) -> None:
        """Make due what only a clock that was ahead, and has been set back since, has put off so far."""
        async with pool.connection() as conn:
            await conn.execute(
                # A message that was attempted keeps its date: every copy of it is the same.
                "UPDATE notifier.delivery SET due_at = %(now)s, give_up_at = %(now)s + (give_up_at - due_at),"
                " created_at = CASE WHEN attempts = 0 AND tried_at IS NULL THEN %(now)s ELSE created_at END"
                " WHERE state = ANY(%(open)s) AND due_at > %(now)s AND created_at > %(ahead)s",
                {"now": now, "open": list(OPEN_STATES), "ahead": now + CLOCKS_DIFFER},
            )
            await conn.execute(
                # The queue goes by the database's clock: no pause that it has begun ends later than this.
                "UPDATE notifier_jobs.procrastinate_jobs SET scheduled_at = now()"
                " WHERE status = 'todo' AND scheduled_at > now() + %s",
                (timedelta(seconds=self._back_off.cap_s) + CLOCKS_DIFFER,),
            )
