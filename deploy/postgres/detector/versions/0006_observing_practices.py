"""Adds since when a practice observes, and when it went live."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; practices stay live."""
    op.execute("ALTER TABLE detector.practice ADD COLUMN observing_since timestamptz")
    op.execute("ALTER TABLE detector.practice ADD COLUMN live_from timestamptz")


def downgrade() -> None:
    """Drop them; a practice that observes is told everything from then on."""
    op.execute("ALTER TABLE detector.practice DROP COLUMN live_from")
    op.execute("ALTER TABLE detector.practice DROP COLUMN observing_since")
