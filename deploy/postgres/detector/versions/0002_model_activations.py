"""Which model a practice was mapped to, since when: the history behind `practice.model_version`."""

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
    """Create the table; practices that are mapped already have no known day."""
    op.execute(TABLE)


def downgrade() -> None:
    """Forget when models were activated; which one scores stays."""
    op.execute("DROP TABLE detector.model_activation")
