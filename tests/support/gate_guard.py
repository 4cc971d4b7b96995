"""Has PostgreSQL refuse what would be skipped by pages: their rows, from a transaction without the gate."""

import psycopg

from services.runtime.outbox.erasures import HOLDS_GATE

TABLES = ("detector.episode", "detector.rejection", "notifier.decision", "notifier.rejection")
_GUARD = f"""
CREATE FUNCTION require_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND {HOLDS_GATE}) THEN
        RAISE EXCEPTION 'a row of % without having passed the gate', TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$
"""


def require_gate(url: str) -> None:
    """Refuse, in this database, every row of a paged table from a transaction that passed no gate."""
    with psycopg.connect(url) as conn:
        conn.execute(_GUARD.encode())
        for table in TABLES:
            conn.execute(
                f"CREATE TRIGGER gate BEFORE INSERT OR UPDATE OF xid ON {table}"
                " FOR EACH STATEMENT EXECUTE FUNCTION require_gate()".encode()
            )
