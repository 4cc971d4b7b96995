"""Adds the table of ratings and answers that were read and wait until they can take effect."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
-- Records that are in order and cannot take effect yet, each with its bytes. It is deleted in the transaction
-- in which the record takes effect.
CREATE TABLE detector.blocked (
    cluster_id       text NOT NULL,                 -- position of the record in the log
    topic            text NOT NULL,
    partition        integer NOT NULL,
    "offset"         bigint NOT NULL,
    key              bytea NOT NULL,
    value            bytea NOT NULL,
    practice_id      text NOT NULL,
    client_id        text NOT NULL,
    rating_id        text,                          -- null: a therapist's answer
    session_id       text,                          -- what is blocked by this session in another dyad
    instrument       text,
    reason           text NOT NULL,
    recorded_at      timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition, "offset")
);
CREATE INDEX blocked_session ON detector.blocked (practice_id, client_id, session_id, instrument);
CREATE INDEX blocked_rating ON detector.blocked (practice_id, rating_id) WHERE rating_id IS NOT NULL;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLES)


def downgrade() -> None:
    """Refuse to drop what waits: the rows are accepted ratings."""
    op.execute("LOCK TABLE detector.blocked")
    waiting = op.get_bind().exec_driver_sql("SELECT count(*) FROM detector.blocked").scalar()
    if waiting:
        raise RuntimeError(f"{waiting} accepted records wait in detector.blocked: settle them first")
    op.execute("DROP TABLE detector.blocked")
