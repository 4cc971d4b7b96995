"""Adds what a restored database needs to go on from what was published after the backup was made."""

from alembic import op

from deploy.postgres.runtime_tables import add_published

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TABLES = """
-- Events that the log holds and this database did not know when it looked, because it was restored: they stay
-- until their dyad is decided again.
CREATE TABLE detector.published_before (
    cluster_id       text NOT NULL,                 -- position of the event in the log
    topic            text NOT NULL,
    partition        integer NOT NULL,
    "offset"         bigint NOT NULL,
    dyad_id          uuid NOT NULL,
    revision         integer NOT NULL,
    value            bytea NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition, "offset")
);
CREATE INDEX published_before_dyad ON detector.published_before (dyad_id);

-- A new number for each time that such events were found in a partition. Their dyads are decided again once
-- everything that was accepted until then has been read.
CREATE TABLE detector.generation (
    partition        integer NOT NULL,
    number           integer NOT NULL,
    cluster_id       text NOT NULL,
    rated_until      bigint NOT NULL,
    responded_until  bigint NOT NULL,
    events           bigint NOT NULL,
    found_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, number)
);

-- New revisions of a dyad's assessments and episodes are higher than this: it was published already.
ALTER TABLE detector.dyad ADD COLUMN revision_floor integer NOT NULL DEFAULT 0;
"""


def upgrade() -> None:
    """Create the tables, and add the column."""
    op.execute(add_published("detector"))
    op.execute(TABLES)


def downgrade() -> None:
    """Drop them; revisions count on from those that are stored."""
    op.execute("ALTER TABLE detector.dyad DROP COLUMN revision_floor")
    for table in ("generation", "published_before", "published"):
        op.execute(f"DROP TABLE detector.{table}")
