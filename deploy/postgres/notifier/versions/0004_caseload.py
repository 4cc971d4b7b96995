"""Adds the newest sessions of every client, which the page of a therapist's clients shows."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = """
-- The newest assessed sessions of each client and therapist, in the units of the instrument.
CREATE TABLE notifier.assessed_session (
    practice_id text NOT NULL,
    rating_id text NOT NULL,
    revision integer NOT NULL,
    therapist_id text NOT NULL,
    client_id text NOT NULL,
    session_at timestamptz NOT NULL,
    instrument text NOT NULL,
    status text NOT NULL,
    bond double precision,
    goal double precision,
    task double precision,
    overall double precision,
    PRIMARY KEY (practice_id, rating_id)
);
CREATE INDEX assessed_session_of_client
    ON notifier.assessed_session (practice_id, therapist_id, client_id, session_at DESC);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLES)
