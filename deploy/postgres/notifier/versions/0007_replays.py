"""Adds when a rejected record was published again."""

from alembic import op

from deploy.postgres.runtime_tables import add_replays

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; nothing that was published again before is known as such."""
    op.execute(add_replays("notifier"))


def downgrade() -> None:
    """Drop it; what was published again is offered for it once more."""
    op.execute("ALTER TABLE notifier.rejection DROP COLUMN replayed_at")
