"""Gives what is rare in a practice's balance indexes of its own."""

from alembic import op

from deploy.postgres.large_indexes import create_beside_writers

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes. The balance counts these few, and all rows in the index by practice and rating."""
    create_beside_writers("detector", "rating_superseded", "rating (practice_id) WHERE NOT current")
    create_beside_writers("detector", "duplicate_superseded", "duplicate (practice_id) WHERE superseded")


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP INDEX detector.duplicate_superseded, detector.rating_superseded")
