"""Adds statistics of practices' ratings, and lets nobody change a dated row that was added."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = """
-- Statistics of a practice's own ratings, as a model reads them; rows are only added.
CREATE TABLE detector.practice_statistics (
    practice_id      text NOT NULL REFERENCES detector.practice,
    version          text NOT NULL,
    valid_from       timestamptz NOT NULL,
    computed_at      timestamptz NOT NULL,
    sessions_from    timestamptz NOT NULL,          -- sessions from then to computed_at count
    clients          integer NOT NULL CHECK (clients > 0), -- those with a form
    forms            integer NOT NULL CHECK (forms > 0),   -- declined ones included
    values           double precision[] NOT NULL,   -- as features/practice_statistics.py names them
    PRIMARY KEY (practice_id, version),
    CHECK (valid_from > computed_at)
);
ALTER TABLE detector.practice ADD COLUMN statistics integer NOT NULL DEFAULT 0; -- rows in practice_statistics

-- A session takes the row that was valid at its time whenever it is replayed: so no row may change or vanish.
CREATE FUNCTION detector.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of detector.% are only added', TG_TABLE_NAME
        USING HINT = 'To erase a practice, the owner of the table disables this trigger for one transaction.';
END $$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON detector.practice_statistics
    FOR EACH ROW EXECUTE FUNCTION detector.refuse_change();
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE ON detector.threshold
    FOR EACH ROW EXECUTE FUNCTION detector.refuse_change();
"""


def upgrade() -> None:
    """Create the table, the number of its rows, and the triggers."""
    op.execute(TABLES)


def downgrade() -> None:
    """Drop them; the statistics are lost, so sessions that are replayed later find none."""
    op.execute("DROP TRIGGER only_added ON detector.threshold")
    op.execute("DROP TABLE detector.practice_statistics")
    op.execute("DROP FUNCTION detector.refuse_change()")
    op.execute("ALTER TABLE detector.practice DROP COLUMN statistics")
