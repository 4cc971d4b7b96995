"""Lets erasures of a sandbox take the place of earlier ones, and dates the places of erased deliveries."""

from alembic import op

from deploy.postgres.erasure_tables import add_sandboxes, drop_sandboxes

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
runs_from = "0023"


def upgrade() -> None:
    """Change both tables."""
    op.execute(add_sandboxes("notifier"))


def downgrade() -> None:
    """Take both back; erasures are only added again."""
    op.execute(drop_sandboxes("notifier"))
