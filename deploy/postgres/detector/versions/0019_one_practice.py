"""Binds what the results API reads to one practice, by PostgreSQL."""

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


def upgrade() -> None:
    """Create the role and its policies."""
    with op.get_context().autocommit_block():
        for part in guard_tenants("detector", RIGHTS):
            op.execute(part)


def downgrade() -> None:
    """Drop the policies; the results API of the version before needs none."""
    op.execute(unguard_tenants("detector"))
