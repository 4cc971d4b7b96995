"""Binds what the pages and the notifier's API read and write to one practice, by PostgreSQL."""

from alembic import op

from deploy.postgres.tenant_guard import guard_tenants, look_up_tenant, tenant_role, unguard_tenants

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ROLE = tenant_role("notifier")
READ = ("assessed_session", "change", "client_name", "decision", "episode", "practice", "therapist_name")
WRITTEN = (
    *("client_counter", "client_number", "delivery", "item", "next_session", "own_settings", "therapist"),
    *("session", "share", "sign_in_link"),
)
RIGHTS = {
    **dict.fromkeys(READ, ("SELECT",)),
    **dict.fromkeys(WRITTEN, ("SELECT", "INSERT", "UPDATE", "DELETE")),
    "answer": ("SELECT", "INSERT"),
    "audit": ("SELECT", "INSERT"),
    "link_request": ("INSERT",),
}
SECRETS = {
    "practice_of_link": ("sign_in_link", "link_id", "uuid"),
    "practice_of_session": ("session", "session_hash", "bytea"),
    "practice_of_share": ("share", "share_id", "uuid"),
}
"""By the random id in a link or cookie, a request learns whose practice it is about."""
# A page queues a job that names an id, and nothing else.
QUEUE = f"""
GRANT USAGE ON SCHEMA notifier_jobs TO {ROLE};
GRANT SELECT, INSERT, UPDATE ON notifier_jobs.procrastinate_jobs TO {ROLE};
GRANT INSERT ON notifier_jobs.procrastinate_events TO {ROLE};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA notifier_jobs TO {ROLE};
"""
REVOKE_QUEUE = f"""
REVOKE ALL ON ALL SEQUENCES IN SCHEMA notifier_jobs FROM {ROLE};
REVOKE ALL ON ALL TABLES IN SCHEMA notifier_jobs FROM {ROLE};
REVOKE ALL ON SCHEMA notifier_jobs FROM {ROLE};
"""


def upgrade() -> None:
    """Create the role, its policies, and the functions that say whose practice a secret belongs to."""
    with op.get_context().autocommit_block():
        for part in guard_tenants("notifier", RIGHTS, through={"answer": ("item", "episode_id")}):
            op.execute(part)
        for function, (table, column, kind) in SECRETS.items():
            op.execute(look_up_tenant("notifier", function, table, column, kind))
        op.execute(QUEUE)


def downgrade() -> None:
    """Drop them; the pages of the version before need none."""
    for function, (_table, _column, kind) in SECRETS.items():
        op.execute(f"DROP FUNCTION notifier.{function}({kind})")
    op.execute(REVOKE_QUEUE)
    op.execute(unguard_tenants("notifier"))
