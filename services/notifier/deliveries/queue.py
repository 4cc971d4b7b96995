"""Queues deliveries as procrastinate jobs in PostgreSQL.

A message that is due at once is queued in the transaction that writes its delivery: neither exists without
the other. One that is due later has no job until then. The sweep queues what is due and has no job, and what
a dead worker left (after a restore, or an emptied queue, too). procrastinate names its tables without a
schema, so the search path of a transaction that queues is set to theirs and set back.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job
from psycopg import conninfo
from psycopg_pool import AsyncConnectionPool

from services.notifier.deliveries.retry_policy import BackOff
from services.notifier.directory.store import Connection
from services.notifier.domain.delivery import OPEN_STATES

SCHEMA = "notifier_jobs"
QUEUE = "deliveries"
DELIVER = "deliver"
LINK_QUEUE = "link-requests"
ANSWER = "answer-link-request"
_WAIT_S = 5.0


def jobs_pool(connection_string: str, max_size: int) -> AsyncConnectionPool[Connection]:
    """Return a pool, not yet open, whose connections find procrastinate's tables."""
    options = conninfo.conninfo_to_dict(connection_string).get("options") or ""
    return AsyncConnectionPool(
        conninfo.make_conninfo(connection_string, options=f"{options} -c search_path={SCHEMA}".strip()),
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

        @self.app.task(name=DELIVER, queue=QUEUE, retry=self._back_off)
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

        Raises:
            psycopg.Error: as any statement on `conn`.
        """
        jobs = [
            self.app.configure_task(
                DELIVER, queue=QUEUE, lock=str(one), queueing_lock=str(one), allow_unknown=True
            ).make_new_job(delivery_id=str(one))
            for one in deliveries
        ]
        await self._defer(conn, jobs)

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
        """Queue what is due and has no job, and what a dead worker left; return the number of jobs queued."""
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
