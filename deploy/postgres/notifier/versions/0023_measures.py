"""Adds the newest measures of every client that pages draw beside the alliance."""

from alembic import op

from deploy.postgres.tenant_guard import guard_tenants

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = """
-- The newest forms of each client and therapist that are not the client's on the alliance, by instrument.
CREATE TABLE notifier.measure (
    practice_id text NOT NULL,
    rating_id text NOT NULL,
    revision integer NOT NULL,
    therapist_id text NOT NULL,
    client_id text NOT NULL,
    session_at timestamptz NOT NULL,
    instrument text NOT NULL,
    status text NOT NULL,
    total double precision,
    PRIMARY KEY (practice_id, rating_id)
);
CREATE INDEX measure_of_client ON notifier.measure (practice_id, therapist_id, client_id, session_at DESC);
"""


def upgrade() -> None:
    """Create the table, with the rights of the role that acts for one practice."""
    op.execute(TABLES)
    with op.get_context().autocommit_block():
        for part in guard_tenants("notifier", {"measure": ("SELECT",)}):
            op.execute(part)


def downgrade() -> None:
    """Drop it; pages of the version before draw no measures."""
    op.execute("DROP TABLE notifier.measure")
