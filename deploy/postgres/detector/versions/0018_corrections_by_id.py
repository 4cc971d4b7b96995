"""Marks the deliveries that a correction with the same id superseded, among those that hold no rating."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; its constant default rewrites no row."""
    op.execute("ALTER TABLE detector.duplicate ADD COLUMN superseded boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN detector.duplicate.superseded IS 'a later version has its id'")


def downgrade() -> None:
    """Remove the column; what was superseded counts as duplicate then."""
    op.execute("ALTER TABLE detector.duplicate DROP COLUMN superseded")
