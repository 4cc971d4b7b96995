"""Adds the table of places in the log where bad records do not count for the fuse."""

from alembic import op

from deploy.postgres.runtime_tables import add_set_aside

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(add_set_aside("notifier"))


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE notifier.set_aside")
