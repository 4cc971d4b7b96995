"""Tells waiting workers when a job ends, because the next one of the same practice may begin then."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
runs_from = "0023"

# procrastinate wakes workers when a job is added. One practice's jobs share a lock, so the next of them would
# wait for the next look that a worker takes by itself: they would go out one a second.
_CREATE = """
CREATE FUNCTION notifier_jobs.notify_lock_released() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('procrastinate_queue_v1#' || OLD.queue_name,
        json_build_object('type', 'job_inserted', 'job_id', OLD.id)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER lock_released_by_end AFTER DELETE ON notifier_jobs.procrastinate_jobs
    FOR EACH ROW WHEN (OLD.lock IS NOT NULL) EXECUTE FUNCTION notifier_jobs.notify_lock_released();
CREATE TRIGGER lock_released_by_change AFTER UPDATE OF status ON notifier_jobs.procrastinate_jobs
    FOR EACH ROW WHEN (OLD.lock IS NOT NULL AND OLD.status = 'doing' AND NEW.status <> 'doing')
    EXECUTE FUNCTION notifier_jobs.notify_lock_released();
"""
_DROP = """
DROP TRIGGER lock_released_by_end ON notifier_jobs.procrastinate_jobs;
DROP TRIGGER lock_released_by_change ON notifier_jobs.procrastinate_jobs;
DROP FUNCTION notifier_jobs.notify_lock_released();
"""


def upgrade() -> None:
    """Notify the workers of the queue, as procrastinate does for a new job."""
    op.execute(_CREATE)


def downgrade() -> None:
    """Let workers find out by themselves."""
    op.execute(_DROP)
