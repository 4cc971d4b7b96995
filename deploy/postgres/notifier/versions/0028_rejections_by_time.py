"""Gives rejected records an index by their time, in which the retention job finds those that are over."""

from alembic import op

from deploy.postgres.large_indexes import create_beside_writers

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
runs_from = "0023"


def upgrade() -> None:
    """Create the index. Without it, each slice passes over the places of all that were deleted before."""
    create_beside_writers("notifier", "rejection_by_time", "rejection (recorded_at)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX notifier.rejection_by_time")
