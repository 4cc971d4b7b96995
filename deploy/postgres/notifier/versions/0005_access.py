"""Binds sign-in links to the address they are mailed to, and adds requests for links."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = """
-- A link works while its therapist has the address that it was mailed to. One without an address, as a
-- process of the version before writes it while it is being replaced, opens nothing.
ALTER TABLE notifier.sign_in_link ADD COLUMN delivery_id uuid, ADD COLUMN address text;
UPDATE notifier.sign_in_link link SET delivery_id = link.link_id, address = therapist.address
    FROM notifier.therapist
    WHERE therapist.practice_id = link.practice_id AND therapist.therapist_id = link.therapist_id;
CREATE INDEX sign_in_link_of_therapist ON notifier.sign_in_link (practice_id, therapist_id);
CREATE INDEX session_of_therapist ON notifier.session (practice_id, therapist_id);

-- Requests for a link, whoever made them: each waits until the worker has looked for its therapist.
CREATE TABLE notifier.link_request (
    request_id uuid PRIMARY KEY,
    asked_at timestamptz NOT NULL,
    address text NOT NULL,
    link_id uuid,
    episode_id uuid
);
"""


def upgrade() -> None:
    """Add the columns and the table."""
    op.execute(TABLES)
