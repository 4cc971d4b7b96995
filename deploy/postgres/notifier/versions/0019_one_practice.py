"""Binds what the pages and the notifier's API read and write to one practice, by PostgreSQL."""

from alembic import op

from deploy.postgres.tenant_guard import guard_tenants, tenant_role, unguard_tenants

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UNGUARDED = ("session", "share", "sign_in_link")
"""Found by a random secret or a signed id, before the practice is known: they say which it is."""
READ = ("answer", "assessed_session", "change", "decision", "episode", "practice", "therapist_name")
WRITTEN = (
    *("client_counter", "client_number", "delivery", "item", "next_session", "own_settings", "therapist"),
    *UNGUARDED,
)
RIGHTS = {
    **dict.fromkeys(READ, ("SELECT",)),
    **dict.fromkeys(WRITTEN, ("SELECT", "INSERT", "UPDATE", "DELETE")),
    "audit": ("SELECT", "INSERT"),
    "link_request": ("INSERT",),
}
# A page queues a job that names an id, and nothing else.
QUEUE = f"""
GRANT USAGE ON SCHEMA notifier_jobs TO {tenant_role("notifier")};
GRANT SELECT, INSERT, UPDATE ON notifier_jobs.procrastinate_jobs TO {tenant_role("notifier")};
GRANT INSERT ON notifier_jobs.procrastinate_events TO {tenant_role("notifier")};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA notifier_jobs TO {tenant_role("notifier")};
"""
REVOKE_QUEUE = f"""
REVOKE ALL ON ALL SEQUENCES IN SCHEMA notifier_jobs FROM {tenant_role("notifier")};
REVOKE ALL ON ALL TABLES IN SCHEMA notifier_jobs FROM {tenant_role("notifier")};
REVOKE ALL ON SCHEMA notifier_jobs FROM {tenant_role("notifier")};
"""


def upgrade() -> None:
    """Create the role and its policies."""
    answers = {"answer": ("item", "episode_id")}
    op.execute(guard_tenants("notifier", RIGHTS, unguarded=UNGUARDED, through=answers))
    op.execute(QUEUE)


def downgrade() -> None:
    """Drop the policies; the pages of the version before need none."""
    op.execute(REVOKE_QUEUE)
    op.execute(unguard_tenants("notifier"))
