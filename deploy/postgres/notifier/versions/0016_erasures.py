"""Adds what was erased: who by a keyed hash, when, by whom, and the places of the erased deliveries."""

from alembic import op

from deploy.postgres.erasure_tables import add_erasures, drop_erasures

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(add_erasures("notifier"))


def downgrade() -> None:
    """Refuse to forget who was erased: a replay would bring them back."""
    erased = "SELECT EXISTS (SELECT FROM notifier.erasure)"
    if op.get_bind().exec_driver_sql(erased).scalar():
        raise RuntimeError("clients were erased: the version before would bring them back at a replay")
    op.execute(drop_erasures("notifier"))
