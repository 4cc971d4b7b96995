"""Marks the ratings that are stored beside those of the alliance: of outcome, and by therapists."""

from alembic import op

from deploy.postgres.large_indexes import create_beside_writers

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, whose constant default rewrites no row, and the index that the balance counts in."""
    op.execute("ALTER TABLE detector.rating ADD COLUMN measure boolean NOT NULL DEFAULT false")
    op.execute("COMMENT ON COLUMN detector.rating.measure IS 'stored, never scored'")
    create_beside_writers("detector", "rating_measure", "rating (practice_id) WHERE measure AND current")


def downgrade() -> None:
    """Refuse where such ratings are stored: the version before would score them."""
    if op.get_bind().exec_driver_sql("SELECT EXISTS (SELECT FROM detector.rating WHERE measure)").scalar():
        raise RuntimeError("ratings of outcome or by therapists are stored: restore a backup instead")
    op.execute("DROP INDEX detector.rating_measure")
    op.execute("ALTER TABLE detector.rating DROP COLUMN measure")
