"""Adds the references that renamed clients had: what still names them so is read under the current one."""

from alembic import op

from deploy.postgres.former_names_tables import add_client_names

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(add_client_names("detector"))


def downgrade() -> None:
    """Refuse where a client was renamed: the version before would take the new reference for another one."""
    if op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM detector.client_name)").scalar():
        raise RuntimeError("clients were renamed: restore a backup instead")
    op.execute("DROP TABLE detector.client_name")
