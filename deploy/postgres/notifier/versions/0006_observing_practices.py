"""Adds whether a practice observes: nothing is told to its therapists for now."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; practices stay live."""
    op.execute("ALTER TABLE notifier.practice ADD COLUMN observing boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    """Drop it; mail that waits for a practice that observes goes out."""
    op.execute("ALTER TABLE notifier.practice DROP COLUMN observing")
