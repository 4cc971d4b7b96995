"""Notes by which topic a rating came: a position in one topic says nothing about the same one in another."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE detector.rating ADD COLUMN lane smallint NOT NULL DEFAULT 0;
ALTER TABLE detector.duplicate ADD COLUMN lane smallint NOT NULL DEFAULT 0,
    DROP CONSTRAINT duplicate_pkey, ADD PRIMARY KEY (cluster_id, lane, partition, "offset");
COMMENT ON COLUMN detector.rating.lane IS 'number of the topic in topics.LANES: 1 is history';
COMMENT ON COLUMN detector.duplicate.lane IS 'number of the topic in topics.LANES: 1 is history';
"""
DOWN = """
ALTER TABLE detector.duplicate DROP CONSTRAINT duplicate_pkey,
    ADD PRIMARY KEY (cluster_id, partition, "offset"), DROP COLUMN lane;
ALTER TABLE detector.rating DROP COLUMN lane;
"""


def upgrade() -> None:
    """Add the columns; what is stored came by the topic of ratings."""
    op.execute(UP)


def downgrade() -> None:
    """Drop them; ratings that came as history must not be left, because their positions would be mistaken."""
    history = "SELECT EXISTS (SELECT FROM detector.rating WHERE lane > 0)"
    if op.get_bind().exec_driver_sql(history).scalar():
        raise RuntimeError("ratings were received as history: restore a backup instead")
    op.execute(DOWN)
