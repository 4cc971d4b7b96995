"""Lets requests read the references that their practice's clients have and had."""

from alembic import op

from deploy.postgres.tenant_guard import tenant_role

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Grant it; the table has its policies, so that a request sees the rows of one practice."""
    op.execute(f"GRANT SELECT ON detector.client_name TO {tenant_role('detector')}")


def downgrade() -> None:
    """Take it back."""
    op.execute(f"REVOKE SELECT ON detector.client_name FROM {tenant_role('detector')}")
