"""Adds next sessions, therapists' own settings, and when and why each message is due."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE notifier.practice
    ADD COLUMN display_name text,
    ADD COLUMN mail_timing text NOT NULL DEFAULT 'before-session';

ALTER TABLE notifier.therapist ADD COLUMN mail_timing text;

-- What a therapist has set on the page of settings; null where the directory and the practice decide.
CREATE TABLE notifier.own_settings (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    language text,
    mail_on boolean NOT NULL,
    mail_timing text,
    mail_hour smallint NOT NULL,
    paused_until date,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (practice_id, therapist_id)
);

-- The newest statement about a client's next session; next_at is null when none is planned.
CREATE TABLE notifier.next_session (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    client_id text NOT NULL,
    next_at timestamptz,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (practice_id, therapist_id, client_id)
);
CREATE INDEX change_of_client ON notifier.change (practice_id, therapist_id, client_id, session_at DESC);

-- A message is attempted from due_at on; tried_at is the beginning of its newest attempt. The defaults let
-- a process of the version before queue messages while it is being replaced.
ALTER TABLE notifier.delivery
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN due_reason text NOT NULL DEFAULT 'at-once',
    ADD COLUMN tried_at timestamptz,
    DROP CONSTRAINT delivery_state_check,
    ADD CONSTRAINT delivery_state_check
        CHECK (state IN ('pending', 'retrying', 'sent', 'failed', 'cancelled', 'combined'));
UPDATE notifier.delivery SET due_at = created_at;
"""


def upgrade() -> None:
    """Add the tables and columns."""
    op.execute(TABLES)
