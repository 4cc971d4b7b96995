"""Divides the log of who did what by months."""

from deploy.postgres.audit_months import divide_audit

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
runs_from = "0026"


def upgrade() -> None:
    """Make what the log holds its first partition, and the next months further ones."""
    divide_audit("detector", "dyad")


def downgrade() -> None:
    """Refuse: rows are in several tables."""
    raise RuntimeError("the log is divided by months: restore a backup instead")
