"""Adds a practice's hours of mail: the daily hour, how long before a session, and the quiet hours."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE notifier.practice
    ADD COLUMN mail_hour smallint NOT NULL DEFAULT 7,
    ADD COLUMN mail_hours_before smallint NOT NULL DEFAULT 24,
    ADD COLUMN quiet_from smallint NOT NULL DEFAULT 20,
    ADD COLUMN quiet_until smallint NOT NULL DEFAULT 7;

-- False where the practice's hour holds; a process of the version before reads and writes mail_hour as it is.
ALTER TABLE notifier.own_settings ADD COLUMN mail_hour_chosen boolean NOT NULL DEFAULT true;
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(TABLES)
