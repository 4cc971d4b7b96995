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
from tests.support.whole_flow.deployment import PRACTICES, START

Connection = AsyncConnection[TupleRow]

THERAPISTS = (
    Therapist("", "t1", "t1@example.org", mail_timing=MailTiming.IMMEDIATE),
    Therapist("", "t2", "t2@example.org", time_zone="Europe/Vienna", mail_timing=MailTiming.BEFORE_SESSION),
)
_LATER = datetime(2200, 1, 1, tzinfo=START.tzinfo)
_TABLES = """
SELECT string_agg(format('DELETE FROM %I.%I;', schemaname, tablename), '')
FROM pg_tables WHERE schemaname IN ('detector', 'notifier', 'notifier_jobs')
    AND tablename NOT LIKE 'alembic%'
"""


async def statements_that_empty(conn: Connection) -> str:
    """Return the statements that empty every table: quicker than TRUNCATE while there are few rows."""
    row = await (await conn.execute(_TABLES)).fetchone()
    assert row is not None
    return str(row[0])


async def begin_again(conn: Connection, empty: str, cluster_id: str) -> None:
    """Empty every table, then add the practices and their therapists."""
    await conn.execute(f"SET session_replication_role = replica; {empty}".encode())
    await conn.execute("SET session_replication_role = origin")
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
            await put_therapist(conn, entry, START)


async def attempt_due(notifier: NotifierComponents, conn: Connection, now: datetime) -> None:
    """Attempt each delivery that is due once, with the queue's own operations, as its workers do.

    A worker that crashes here leaves its job in the state `doing`; the next sweep takes it up.
    """
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
