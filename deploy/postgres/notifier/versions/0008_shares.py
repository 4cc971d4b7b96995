"""Adds the links by which a therapist shares an item."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
-- A link to a read-only view of one item. A row is never deleted with its item's answers: it is the record of
-- what was shared, and every opening is a row of the audit log.
CREATE TABLE notifier.share (
    share_id uuid PRIMARY KEY,
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    episode_id uuid NOT NULL,
    with_reference boolean NOT NULL,
    shared_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX share_of_item ON notifier.share (episode_id);
CREATE INDEX share_of_therapist ON notifier.share (practice_id, therapist_id);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop it; every shared link ends."""
    op.execute("DROP TABLE notifier.share")
