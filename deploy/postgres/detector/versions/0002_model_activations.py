"""Adds the history of `practice.model_version`: which model scores a practice since when."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE detector.model_activation (
    practice_id      text NOT NULL REFERENCES detector.practice,
    activated_at     timestamptz NOT NULL,
    model_version    text,                          -- null: the shipped model
    PRIMARY KEY (practice_id, activated_at)
);
"""


def upgrade() -> None:
    """Create the table; for practices with a model of their own the date is unknown and no row is added."""
    op.execute(TABLE)


def downgrade() -> None:
    """Drop the dates of activation; `practice.model_version` stays."""
    op.execute("DROP TABLE detector.model_activation")
