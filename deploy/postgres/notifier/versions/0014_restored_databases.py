"""Adds how far the log of answers is known, so that a restored database takes up what it lacks of it."""

from alembic import op

from deploy.postgres.runtime_tables import add_published

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE = """
-- Answers that the log holds and this database lacks, until the items that they belong to are there again.
CREATE TABLE notifier.answered_before (
    episode_id uuid NOT NULL,
    answer_revision integer NOT NULL,
    answer text NOT NULL,
    topic text,
    therapist_id text NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (episode_id, answer_revision)
);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(add_published("notifier"))
    op.execute(TABLE)


def downgrade() -> None:
    """Drop them; answers that wait for their items are lost here, and stay in the log."""
    op.execute("DROP TABLE notifier.answered_before")
    op.execute("DROP TABLE notifier.published")
