"""Adds the last applied record of each partition, and the partitions that are halted until a repair."""

from alembic import op

from deploy.postgres.runtime_tables import add_halts, drop_halts

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and table."""
    op.execute(add_halts("notifier"))


def downgrade() -> None:
    """Drop them; halted partitions are read again."""
    op.execute(drop_halts("notifier"))
