"""Adds the table of records that were read and have no outcome."""

from alembic import op

from deploy.postgres.runtime_tables import add_unaccounted

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(add_unaccounted("notifier"))


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE notifier.unaccounted")
