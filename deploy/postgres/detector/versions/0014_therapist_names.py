"""Adds the names that renamed therapists had: what still names them so is read under their current one."""

from alembic import op

from deploy.postgres.former_names_tables import add_therapist_names

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.execute(add_therapist_names("detector"))


def downgrade() -> None:
    """Refuse where a therapist was renamed: the version before would take the new name for another one."""
    if op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM detector.therapist_name)").scalar():
        raise RuntimeError("therapists were renamed: restore a backup instead")
    op.execute("DROP TABLE detector.therapist_name")
