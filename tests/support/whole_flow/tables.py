"""Empties both services' tables and fills in practices and therapists; attempts what the job queue holds."""

from datetime import datetime, timedelta

from procrastinate.jobs import Status as JobStatus
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from services.notifier.channels.channel import MailTiming
from services.notifier.deliveries.queue import DELIVER
from services.notifier.deliveries.retry_policy import TryAgain
from services.notifier.directory_changes import put_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.wiring import NotifierComponents
from services.runtime.process.settings import DatabaseSettings
from tests.support.whole_flow.deployment import PRACTICES, START

Connection = AsyncConnection[TupleRow]

THERAPISTS = (
    Therapist("", "t1", "t1@example.org", mail_timing=MailTiming.IMMEDIATE),
    Therapist("", "t2", "t2@example.org", time_zone="Europe/Vienna", mail_timing=MailTiming.BEFORE_SESSION),
)
_ANY_WAITS = """
SELECT EXISTS (SELECT FROM notifier_jobs.procrastinate_jobs)
    OR EXISTS (SELECT FROM notifier.delivery WHERE state IN ('pending', 'retrying'))
"""
_LATER = datetime(2200, 1, 1, tzinfo=START.tzinfo)
_CREATE = """
DO $do$ BEGIN EXECUTE 'CREATE OR REPLACE FUNCTION public.empty_tables() RETURNS void LANGUAGE plpgsql
    SET session_replication_role = replica AS $f$ BEGIN ' || (
        SELECT string_agg(format('DELETE FROM %I.%I;', schemaname, tablename), ' ') FROM pg_tables
        WHERE schemaname IN ('detector', 'notifier', 'notifier_jobs')
            AND tablename NOT IN ('migration', 'runs_from')
    ) || ' END $f$'; END $do$
"""


async def open_for_checks(database: DatabaseSettings) -> Connection:
    """Return a connection that keeps the plans of its queries, which run after every step."""
    url = database.url.get_secret_value()
    conn = await AsyncConnection.connect(url, autocommit=True, options="-c jit=off")
    conn.prepare_threshold = 0
    return conn


async def create_emptying_function(conn: Connection) -> None:
    """Create what empties every table: quicker than TRUNCATE while there are few rows, and planned once."""
    await conn.execute(_CREATE.encode())


async def begin_again(conn: Connection, cluster_id: str) -> None:
    """Empty every table, then add the practices and their therapists."""
    await conn.execute("SELECT public.empty_tables()")
    for service in ("detector", "notifier"):
        await conn.execute(f"INSERT INTO {service}.cluster (cluster_id) VALUES (%s)".encode(), (cluster_id,))
    for practice in PRACTICES:
        await conn.execute(
            "INSERT INTO detector.practice (practice_id, added_at, max_age_days) VALUES (%s, %s, 21)",
            (practice, START - timedelta(days=700)),
        )
        for one in THERAPISTS:
            entry = Therapist(
                practice, one.therapist_id, one.address, time_zone=one.time_zone, mail_timing=one.mail_timing
            )
            await put_therapist(conn, entry, START, actor="a test")


async def attempt_due(notifier: NotifierComponents, conn: Connection, now: datetime) -> None:
    """Attempt each delivery that is due once, with the queue's own operations, as its workers do.

    A worker that crashes here leaves its job in the state `doing`; the next sweep takes it up.
    """
    if not await _is_true(conn, _ANY_WAITS):
        return
    queue, jobs = notifier.queue, notifier.queue.app.job_manager
    # The queue's own times are PostgreSQL's: whatever waits for a further attempt may have one.
    await conn.execute("UPDATE notifier_jobs.procrastinate_jobs SET scheduled_at = NULL")
    await queue.sweep(notifier.pool, -60.0, now)
    worker = await jobs.register_worker()
    task = queue.app.tasks[DELIVER]
    while (job := await jobs.fetch_job(None, worker)) is not None:
        try:
            await task.func(**job.task_kwargs)
        except TryAgain as again:
            decision = queue._back_off.get_retry_decision(exception=again, job=job)
            await jobs.retry_job(job, retry_at=_LATER, queue=decision.queue, lock=decision.lock)
        else:
            await jobs.finish_job(job, JobStatus.SUCCEEDED, delete_job=True)
    await jobs.unregister_worker(worker)


async def _is_true(conn: Connection, query: str) -> bool:
    return await (await conn.execute(query.encode())).fetchone() == (True,)
