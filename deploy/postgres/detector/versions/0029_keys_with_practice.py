"""Gives the practice to every key of a table with practices, so that all of them can be distributed by it.

The keys before of episodes and of waiting records stay, too: the version before names them in ON CONFLICT.
"""

from alembic import op

from deploy.postgres.practice_keys import add_key, replace_foreign_key, replace_key, replace_key_of_parts

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
runs_from = "0026"


def upgrade() -> None:
    """Create the keys beside the writers, and let foreign keys name them."""
    add_key("detector.episode", "episode_key", "practice_id, episode_id")
    replace_key("detector.response", "response_pkey", "practice_id, episode_id, answer_revision")
    replace_key("detector.episode_change", "episode_change_pkey", "practice_id, episode_id, revision")
    replace_foreign_key(
        "detector.episode_change",
        "episode_change_episode_id_fkey",
        "practice_id, episode_id",
        owner="detector.episode",
    )
    # The key begins with it.
    op.execute("DROP INDEX IF EXISTS detector.episode_change_practice")
    # What is sought by its place in the log, or by its time, keeps that first.
    add_key("detector.blocked", "blocked_key", 'cluster_id, topic, partition, "offset", practice_id')
    replace_key("detector.duplicate", "duplicate_pkey", 'cluster_id, lane, partition, "offset", practice_id')
    replace_key_of_parts("detector.audit", "audit_pkey", "at, audit_id, practice_id")


def downgrade() -> None:
    """Refuse: the version before runs on these tables."""
    raise RuntimeError("the version before runs on these tables: nothing has to be taken back")
