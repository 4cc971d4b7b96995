"""Gives ratings a small index by their practice, in which the balance counts them."""

from alembic import op

from deploy.postgres.large_indexes import create_beside_writers

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
runs_from = "0026"


def upgrade() -> None:
    """Create the index: 7 bytes a rating, in the order of the table, and not 90 in the order of the ids."""
    create_beside_writers("detector", "rating_of_practice", "rating (practice_id)")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX detector.rating_of_practice")
