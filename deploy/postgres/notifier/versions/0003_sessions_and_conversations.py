"""Adds when a session was last used and a name for it, and what a conversation was about."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = """
-- Sessions that run at the upgrade count as used then.
ALTER TABLE notifier.session
    ADD COLUMN session_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
    ADD COLUMN used_at timestamptz NOT NULL DEFAULT now();

-- What the conversation was about, once the therapist said so.
ALTER TABLE notifier.item ADD COLUMN topic text;
ALTER TABLE notifier.answer ADD COLUMN topic text;
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(COLUMNS)
