"""Stores the oldest revision whose services run on these tables, so that the version before may go on."""

from alembic import op

from deploy.postgres.runtime_tables import add_runs_from

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
# Services of the revision before do not read the table.
runs_from = "0023"


def upgrade() -> None:
    """Create the table with its row, which this migration itself sets at its end."""
    op.execute(add_runs_from("detector"))


def downgrade() -> None:
    """Drop it; the version before runs on its own tables only."""
    op.execute("DROP TABLE detector.runs_from")
