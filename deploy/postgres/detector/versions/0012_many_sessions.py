"""Lets the ratings of a client who has many at once wait, to be taken up in the order of their sessions."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the index."""
    op.execute("ALTER TABLE detector.blocked ADD COLUMN session_at timestamptz")
    op.execute("COMMENT ON COLUMN detector.blocked.session_at IS 'null: a therapist''s answer'")
    op.execute(
        "CREATE INDEX blocked_many ON detector.blocked (practice_id, client_id, key, session_at) "
        "WHERE reason = 'many-sessions'"
    )


def downgrade() -> None:
    """Drop them; nothing may wait for its turn, because the version before takes none of it up."""
    op.execute("LOCK TABLE detector.blocked")
    count = "SELECT count(*) FROM detector.blocked WHERE reason = 'many-sessions'"
    waiting = op.get_bind().exec_driver_sql(count).scalar()
    if waiting:
        raise RuntimeError(f"{waiting} accepted records wait for their turn: let the detector finish first")
    op.execute("DROP INDEX detector.blocked_many")
    op.execute("ALTER TABLE detector.blocked DROP COLUMN session_at")
