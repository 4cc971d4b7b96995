"""Adds the days on which practices sent ratings, and what was decided when one fell silent."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TABLES = """
-- The newest days (UTC) on which something that a practice sent was assessed.
CREATE TABLE notifier.feed_day (
    practice_id text NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (practice_id, day)
);
-- One row for each silence of a feed: the decision to tell the practice's contact, and what became of it.
CREATE TABLE notifier.feed_silence (
    practice_id text NOT NULL,
    last_day date NOT NULL,
    usual_gap_days integer NOT NULL,
    decided_at timestamptz NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    state text,
    state_reason text,
    attempts integer NOT NULL DEFAULT 0,
    tried_at timestamptz,
    finished_at timestamptz,
    ended_on date,
    PRIMARY KEY (practice_id, last_day)
);
ALTER TABLE notifier.practice ADD COLUMN contact text, ADD COLUMN contact_language text NOT NULL DEFAULT 'en';
"""


def upgrade() -> None:
    """Create the tables, and add the practice's contact."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop them; contacts of practices are lost."""
    op.execute("ALTER TABLE notifier.practice DROP COLUMN contact, DROP COLUMN contact_language")
    op.execute("DROP TABLE notifier.feed_silence, notifier.feed_day")
