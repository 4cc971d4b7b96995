"""Adds the running numbers by which pages name clients in practices that hide their own references."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE notifier.practice ADD COLUMN reference_shown boolean NOT NULL DEFAULT true;

-- The highest number that was given to a client of this therapist. It outlives the client's own row, so that
-- the number of an erased client is not given again.
CREATE TABLE notifier.client_counter (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    last_number integer NOT NULL,
    PRIMARY KEY (practice_id, therapist_id)
);
CREATE TABLE notifier.client_number (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    client_id text NOT NULL,
    number integer NOT NULL,
    PRIMARY KEY (practice_id, therapist_id, client_id),
    UNIQUE (practice_id, therapist_id, number)
);
"""


def upgrade() -> None:
    """Add the column, and create the tables."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop them; pages name clients by their references again."""
    op.execute("DROP TABLE notifier.client_number, notifier.client_counter")
    op.execute("ALTER TABLE notifier.practice DROP COLUMN reference_shown")
