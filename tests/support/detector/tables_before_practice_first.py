"""Fills the detector's tables as they were before their keys began with the practice, and writes to them."""

import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.errors import UndefinedColumn

from schemas.components import Component
from schemas.events import Status
from services.detector.contracts import Numbers
from services.detector.published.events import pack_numbers
from tests.support.background_writer import BackgroundWriter
from tests.support.faults.fault_run import wait

VERSION = "0025"
SESSIONS = 20
AT = datetime(2026, 3, 1, 10, tzinfo=UTC)
_ID = "00000000-0000-0000-0000-000000000000"
NUMBERS = Numbers(
    _ID, AT, Status.RATED, "default-m", "m", 5, 0.123456, 0.25, Component.BOND, None,
    dict.fromkeys((Component.BOND, Component.GOAL, Component.TASK), (0.041152, 3.25, 3.5, -0.25)),
)  # fmt: skip
"""Every row has these; the rating id is replaced."""
_FILL = """
INSERT INTO detector.dyad (dyad_id, practice_id, therapist_id, client_id, case_id, key, partition,
    snapshot, decision)
SELECT md5('d' || n)::uuid, 'practice-' || n %% 10, 't' || n / 20, 'c' || n, '', repeat('k', 32)::bytea,
    n %% 24, decode(repeat(md5(n::text), 25), 'hex'), decode(repeat(md5(n::text), 16), 'hex')
FROM generate_series(%(from)s::int, %(to)s::int - 1) AS n;
INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, marks, accepted_at, content_hash, current, cluster_id, partition, "offset")
SELECT 'practice-' || n %% 10, md5('c' || n || '-' || s)::uuid::text, md5('d' || n)::uuid, 'c' || n,
    'c' || n || '-s' || s, %(at)s,
    'wai-sr', 'rated', '[3.0,2.5,3.0,4.0,3.0,3.0,2.0,3.0,3.0,4.0,4.0,3.0]', %(at)s,
    md5('c' || n || '-' || s) || md5(s || '-c' || n), true, '4L6g3nShT-eMCtK--X86sw', n %% 24, s
FROM generate_series(%(from)s::int, %(to)s::int - 1) AS n, generate_series(1, %(sessions)s) AS s;
INSERT INTO detector.assessment (dyad_id, session_id, instrument, practice_id, rating_id, session_at,
    revision, model_version, risk, threshold, level, may_flag, flagged, step, numbers)
SELECT md5('d' || n)::uuid, 'c' || n || '-s' || s, 'wai-sr', 'practice-' || n %% 10, rating_id, %(at)s,
    1, 'm', 0.123456, 0.25, 0.6, true,
    false, '', overlay(%(numbers)s::bytea PLACING rating_id::bytea FROM %(place)s)
FROM generate_series(%(from)s::int, %(to)s::int - 1) AS n, generate_series(1, %(sessions)s) AS s,
    LATERAL (SELECT md5('c' || n || '-' || s)::uuid::text AS rating_id) AS of
"""
_AT_ONCE = 20_000

# As the detector of that version did, in this order; the first statement names a column that is renamed.
_LOCK = """
INSERT INTO detector.dyad AS d (dyad_id, practice_id, therapist_id, client_id, case_id, key, partition)
SELECT md5('d' || n)::uuid, 'practice-' || n % 10, 't' || n / 20, 'c' || n, '', repeat('k', 32)::bytea, n % 24
FROM unnest(%(dyads)s::int[]) AS n ORDER BY 1
ON CONFLICT (dyad_id) DO UPDATE SET key = EXCLUDED.key, partition = EXCLUDED.partition
"""
_WRITES = (
    """
INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, marks, accepted_at, content_hash, current, cluster_id, partition, "offset")
SELECT 'practice-' || n % 10, 'new-' || n || '-' || %(turn)s, md5('d' || n)::uuid, 'c' || n,
    'new-' || %(turn)s, now(), 'wai-sr', 'rated', '[3.0,4.0]', now(), repeat('ab', 32), true, 'another', 0, n
FROM unnest(%(dyads)s::int[]) AS n
""",
    """
UPDATE detector.rating SET current = false, accepted_at = now() FROM unnest(%(dyads)s::int[]) AS n
WHERE practice_id = 'practice-' || n % 10 AND rating_id = md5('c' || n || '-1')::uuid::text
""",
    """
UPDATE detector.assessment SET revision = revision + 1, flagged = NOT flagged
FROM unnest(%(dyads)s::int[]) AS n
WHERE dyad_id = md5('d' || n)::uuid AND session_id = 'c' || n || '-s2'
""",
    """
UPDATE detector.dyad SET history_revision = history_revision + 1, open_since = current_date
FROM unnest(%(dyads)s::int[]) AS n WHERE dyad_id = md5('d' || n)::uuid
""",
    """
DELETE FROM detector.assessment USING unnest(%(dyads)s::int[]) AS n
WHERE dyad_id = md5('d' || n)::uuid AND session_id = 'c' || n || '-s3'
""",
)


def fill(url: str, dyads: int) -> None:
    """Store `dyads` dyads with `SESSIONS` ratings and assessments each."""
    packed = pack_numbers(NUMBERS)
    values = {"at": AT, "sessions": SESSIONS, "numbers": packed, "place": packed.index(_ID.encode()) + 1}
    with psycopg.connect(url, autocommit=True) as conn, psycopg.ClientCursor(conn) as cursor:
        for first in range(0, dyads, _AT_ONCE):
            bounds = {"from": first, "to": min(dyads, first + _AT_ONCE)}
            for statement in _FILL.split(";\n"):
                cursor.execute(statement.encode(), values | bounds)
        conn.execute("VACUUM ANALYZE")


@dataclass
class Writer(BackgroundWriter):
    """Writes as the detector of that version did, until the tables have another layout."""

    dyads: int
    batch: int = 20
    first: int = 0
    """The number of its first batch."""

    def write(self, conn: psycopg.Connection[Any]) -> None:
        """Write the next batch."""
        turn = self.first + len(self.took_s)
        chosen = [(turn * 7919 + n * 104_729) % self.dyads for n in range(self.batch)]
        values = {"dyads": sorted(set(chosen)), "turn": turn}
        self.run(conn, [one.replace(" % ", " %% ") for one in (_LOCK, *_WRITES)], values)

    def wait_until_locked_out(self) -> None:
        """Wait until it ends, because the tables have another layout."""
        self.join(30)
        assert isinstance(self.error, UndefinedColumn), f"not the new layout, but {self.error!r}"


def interrupt_migration(url: str) -> None:
    """Start the migration in a process of its own, and kill it once it waits for the switch."""
    process = subprocess.Popen([sys.executable, "-c", _MIGRATE, url])
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            wait(lambda: conn.execute(_WAITS).fetchone() == (1,), "it waits for the switch", 60)
    finally:
        process.kill()
        process.wait(10)


_MIGRATE = (
    "import sys; from services.runtime.postgres.migrations import migrate; migrate(sys.argv[1], 'detector')"
)
_WAITS = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
    AND query LIKE 'LOCK TABLE%'
"""
