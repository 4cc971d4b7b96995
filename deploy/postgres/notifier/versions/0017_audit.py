"""Lets the audit log name keys and operators beside therapists, and lets services only add to it."""

from alembic import op

from deploy.postgres.audit_rights import only_add_to_audit

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = """
-- Without an actor, it is the therapist. Rows from before have no role.
ALTER TABLE notifier.audit
    ALTER COLUMN therapist_id DROP NOT NULL,
    ADD COLUMN actor text,
    ADD COLUMN detail text NOT NULL DEFAULT '',
    ADD COLUMN database_role text;
ALTER TABLE notifier.audit ALTER COLUMN database_role SET DEFAULT session_user;
CREATE INDEX audit_of_practice ON notifier.audit (practice_id, at);
"""


def upgrade() -> None:
    """Add the columns, and take the rights away."""
    op.execute(TABLES)
    op.execute(only_add_to_audit("notifier"))


def downgrade() -> None:
    """Refuse to forget who did what where no therapist did it."""
    if op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM notifier.audit WHERE actor <> '')").scalar():
        raise RuntimeError("the version before cannot keep what keys and operators did")
    op.execute("DROP FUNCTION notifier.delete_old_audit")
    op.execute("DROP INDEX notifier.audit_by_time, notifier.audit_of_practice")
    op.execute(
        "ALTER TABLE notifier.audit DROP COLUMN actor, DROP COLUMN detail, DROP COLUMN database_role,"
        " ALTER COLUMN therapist_id SET NOT NULL"
    )
