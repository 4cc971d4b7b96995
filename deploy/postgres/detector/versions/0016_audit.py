"""Adds the log of who read, exported or changed what."""

from alembic import op

from deploy.postgres.audit_rights import only_add_to_audit

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = """
-- Who read what of a client, one row for each client, and what operators did. A client is named by the ids of
-- their dyads only, which an erasure takes out.
CREATE TABLE detector.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    practice_id text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    dyad_id uuid,
    detail text NOT NULL,
    database_role text NOT NULL DEFAULT session_user
);
CREATE INDEX audit_of_practice ON detector.audit (practice_id, at);
CREATE INDEX audit_of_dyad ON detector.audit (dyad_id) WHERE dyad_id IS NOT NULL;
"""


def upgrade() -> None:
    """Create the table, to which services only add."""
    op.execute(TABLES)
    op.execute(only_add_to_audit("detector"))


def downgrade() -> None:
    """Drop the table."""
    op.execute("DROP FUNCTION detector.delete_old_audit")
    op.execute("DROP TABLE detector.audit")
