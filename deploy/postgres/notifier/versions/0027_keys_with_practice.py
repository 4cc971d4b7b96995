"""Gives the practice to every key of a table with practices, so that all of them can be distributed by it.

Where the version before names a key in ON CONFLICT, or reads each batch by it, that key stays, too. Rows that
this version writes without their practice get it from those that they belong to.
"""

from alembic import op

from deploy.postgres.practice_keys import (
    add_key,
    fill,
    replace_foreign_key,
    replace_key,
    replace_key_of_parts,
    require,
)
from deploy.postgres.tenant_guard import guard_tenants

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
runs_from = "0023"

_COLUMNS = """
ALTER TABLE notifier.episode ADD COLUMN IF NOT EXISTS practice_id text;
ALTER TABLE notifier.answer ADD COLUMN IF NOT EXISTS practice_id text;

-- For a notifier of the version before, which stores both without.
CREATE OR REPLACE FUNCTION notifier.give_episode_practice() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE notifier.episode SET practice_id = NEW.practice_id
    WHERE episode_id = NEW.episode_id AND practice_id IS NULL;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER give_episode_practice BEFORE INSERT ON notifier.change
    FOR EACH ROW EXECUTE FUNCTION notifier.give_episode_practice();

CREATE OR REPLACE FUNCTION notifier.give_answer_practice() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT practice_id INTO NEW.practice_id FROM notifier.item WHERE episode_id = NEW.episode_id;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER give_answer_practice BEFORE INSERT ON notifier.answer
    FOR EACH ROW WHEN (NEW.practice_id IS NULL) EXECUTE FUNCTION notifier.give_answer_practice();
"""
_EPISODES = """
UPDATE notifier.episode e SET practice_id = c.practice_id FROM (
    SELECT DISTINCT episode_id, practice_id FROM notifier.change WHERE episode_id = ANY(%(keys)s)
) c WHERE e.episode_id = c.episode_id AND e.practice_id IS NULL
"""
_ANSWERS = """
UPDATE notifier.answer a SET practice_id = i.practice_id FROM notifier.item i
WHERE i.episode_id = a.episode_id AND a.episode_id = ANY(%(keys)s) AND a.practice_id IS NULL
"""
# Answers were bound to a practice through their items.
_OWN_PRACTICE = """
ALTER POLICY one_practice ON notifier.answer USING (practice_id = current_setting('rapport.practice', true))
"""
_OF_EPISODE = "practice_id, episode_id"


def upgrade() -> None:
    """Add the practice where it lacks, create the keys beside the writers, let foreign keys name them."""
    op.execute(_COLUMNS)
    fill("notifier.episode", "episode_id", _EPISODES)
    fill("notifier.answer", "episode_id", _ANSWERS)
    require("notifier.answer", "practice_id")

    add_key("notifier.episode", "episode_key", _OF_EPISODE)
    add_key("notifier.item", "item_key", _OF_EPISODE)
    add_key("notifier.change", "change_key", f"{_OF_EPISODE}, revision")
    replace_key("notifier.answer", "answer_pkey", f"{_OF_EPISODE}, answer_revision")
    replace_key("notifier.decision", "decision_pkey", f"{_OF_EPISODE}, revision, channel")
    replace_key(
        "notifier.delivery",
        "delivery_episode_id_revision_channel_key",
        f"{_OF_EPISODE}, revision, channel",
        kind="UNIQUE",
    )
    for table, owner in (("item", "episode"), ("change", "episode"), ("answer", "item")):
        replace_foreign_key(
            f"notifier.{table}",
            f"{table}_episode_id_fkey",
            _OF_EPISODE,
            owner=f"notifier.{owner}",
            then="ON DELETE CASCADE",
        )
    # Whoever seeks these has an id that was drawn, and learns the practice from the row.
    add_key("notifier.sign_in_link", "sign_in_link_key", "link_id, practice_id")
    replace_key("notifier.delivery", "delivery_pkey", "delivery_id, practice_id")
    replace_key("notifier.session", "session_pkey", "session_hash, practice_id")
    replace_key("notifier.session", "session_session_id_key", "session_id, practice_id", kind="UNIQUE")
    replace_key("notifier.share", "share_pkey", "share_id, practice_id")
    # Old rows are sought by their time.
    replace_key_of_parts("notifier.audit", "audit_pkey", "at, audit_id, practice_id")

    op.execute(_OWN_PRACTICE)
    with op.get_context().autocommit_block():
        for part in guard_tenants("notifier", {}):
            op.execute(part)


def downgrade() -> None:
    """Refuse: the version before runs on these tables."""
    raise RuntimeError("the version before runs on these tables: nothing has to be taken back")
