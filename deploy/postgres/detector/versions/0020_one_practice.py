"""Binds what the results API reads to one practice, by PostgreSQL."""

from alembic import op

from deploy.postgres.tenant_guard import guard_tenants, tenant_role, unguard_tenants

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

READ = (
    *("dyad", "rating", "duplicate", "assessment", "episode", "episode_change", "response", "blocked"),
    *("rejection", "erased", "erasure"),
    *("epoch", "heartbeat", "applied", "halt"),  # hold no practice's data: how far the logs were read
)
# A record that this version cannot decode has no practice by which a policy could bind it.
UNREADABLE = f"""
CREATE OR REPLACE FUNCTION detector.holds_unreadable(topics text[], rating bytea) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
SELECT EXISTS (
    SELECT FROM detector.rejection WHERE tenant IS NULL AND replayed_at IS NULL AND topic = ANY(topics)
        AND current_setting('rapport.practice') <> '' AND position(rating IN value) > 0
        AND position(convert_to(to_json(current_setting('rapport.practice'))::text, 'UTF8') IN value) > 0
)
$$;
REVOKE ALL ON FUNCTION detector.holds_unreadable(text[], bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION detector.holds_unreadable(text[], bytea) TO {tenant_role("detector")};
"""
RIGHTS = {**dict.fromkeys(READ, ("SELECT",)), "audit": ("INSERT",)}


def upgrade() -> None:
    """Create the role and its policies."""
    with op.get_context().autocommit_block():
        for part in guard_tenants("detector", RIGHTS):
            op.execute(part)
        op.execute(UNREADABLE)


def downgrade() -> None:
    """Drop the policies; the results API of the version before needs none."""
    op.execute("DROP FUNCTION detector.holds_unreadable(text[], bytea)")
    op.execute(unguard_tenants("detector"))
