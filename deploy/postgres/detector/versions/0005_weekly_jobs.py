"""Adds an index on practices' newest sessions, and the day on which each weekly job last tried a practice."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
CREATE INDEX assessment_newest ON detector.assessment (practice_id, session_at);

-- Written before a weekly job computes anything for a practice, so that one whose job ends the process is
-- not tried again at each start, and holds up no other.
CREATE TABLE detector.renewal (
    practice_id      text NOT NULL REFERENCES detector.practice ON DELETE CASCADE,
    job              text NOT NULL,
    tried_on         date NOT NULL,
    PRIMARY KEY (practice_id, job)
);
"""


def upgrade() -> None:
    """Create both."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop both."""
    op.execute("DROP TABLE detector.renewal")
    op.execute("DROP INDEX detector.assessment_newest")
