"""Adds what therapist and client talked about to a therapist's answer."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE detector.response ADD COLUMN topic text")


def downgrade() -> None:
    """Drop it; what therapists said about their conversations is lost."""
    op.execute("ALTER TABLE detector.response DROP COLUMN topic")
