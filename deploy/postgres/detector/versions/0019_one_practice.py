"""Binds what the results API reads to one practice; gives what is rare in a balance indexes of its own."""

from alembic import op

from deploy.postgres.tenant_guard import guard_tenants, unguard_tenants

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

READ = (
    *("dyad", "rating", "duplicate", "assessment", "episode", "episode_change", "response", "blocked"),
    *("rejection", "erased", "erasure"),
    *("epoch", "heartbeat"),  # hold no practice's data: how far the log was read
)
RIGHTS = {**dict.fromkeys(READ, ("SELECT",)), "audit": ("INSERT",)}

INDEXES = """
-- The balance counts these few, and all rows in the index by practice and rating; the difference is the rest.
CREATE INDEX rating_superseded ON detector.rating (practice_id) WHERE NOT current;
CREATE INDEX duplicate_superseded ON detector.duplicate (practice_id) WHERE superseded;
"""


def upgrade() -> None:
    """Create the role, its policies and the indexes."""
    op.execute(guard_tenants("detector", RIGHTS))
    op.execute(INDEXES)


def downgrade() -> None:
    """Drop the indexes and the policies; the results API of the version before needs neither."""
    op.execute("DROP INDEX detector.duplicate_superseded, detector.rating_superseded")
    op.execute(unguard_tenants("detector"))
