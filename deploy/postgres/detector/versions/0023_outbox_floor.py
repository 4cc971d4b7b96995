"""Stores where the rows of the outbox begin, so that nobody reads through those that were deleted."""

from alembic import op

from deploy.postgres.runtime_tables import add_outbox_floor

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(add_outbox_floor("detector"))


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE detector.outbox_floor")
