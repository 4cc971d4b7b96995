"""Ratings, assessments and dyads get keys that begin with the practice, beside a detector that writes."""

from collections.abc import Sequence

import psycopg

from services.detector.contracts import unpack_numbers
from services.detector.storage.stored_numbers import InColumns, published_numbers
from services.runtime.postgres.migrations import migrate
from tests.support.detector import tables_before_practice_first as before
from tests.support.postgres import fresh_database

DYADS = 300
BEFORE = (
    """
    SELECT practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument, status,
        accepted_at, content_hash, current, cluster_id, lane, partition, "offset"
    FROM detector.rating ORDER BY 1, 2
    """,
    """
    SELECT dyad_id, session_id, practice_id, rating_id, session_at, revision, risk, threshold, level, flagged
    FROM detector.assessment ORDER BY 1, 2
    """,
    """
    SELECT dyad_id, practice_id, client_id, key, partition, history_revision, open_since, snapshot, decision
    FROM detector.dyad ORDER BY 1
    """,
)
AFTER = (
    BEFORE[0]
    .replace("content_hash", "encode(content_hash, 'hex')")
    .replace("detector.rating", "detector.rating JOIN detector.log_cluster ON number = cluster"),
    BEFORE[1],
    BEFORE[2].replace("key", "record_key"),
)
RIGHTS = """
SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_name = %s ORDER BY 1, 2
"""


def rows(url: str, queries: Sequence[str]) -> list[list[tuple[object, ...]]]:
    with psycopg.connect(url) as conn:
        return [conn.execute(query.encode()).fetchall() for query in queries]


def rights(url: str, table: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as conn:
        return conn.execute(RIGHTS.encode(), (table,)).fetchall()


def migrated_before(url: str) -> None:
    migrate(url, "detector", before.VERSION)
    before.fill(url, DYADS)


def test_every_row_is_the_same_after_the_copy(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        migrated_before(url)
        old, allowed = rows(url, BEFORE), rights(url, "rating")
        migrate(url, "detector", "0026")
        assert rows(url, AFTER) == old
        assert rights(url, "rating") == allowed
        with psycopg.connect(url) as conn:
            kept = conn.execute(
                "SELECT numbers, rating_id, session_at, model_version, risk, threshold"
                " FROM detector.assessment"
            ).fetchall()
            marks = conn.execute("SELECT DISTINCT marks FROM detector.rating").fetchall()
    assert marks == [(b"[3,2.5,3,4,3,3,2,3,3,4,4,3]",)]
    for numbers, *columns in kept:
        found = unpack_numbers(published_numbers(numbers, InColumns(*columns)))
        assert (found.rating_id, found.components) == (columns[0], before.NUMBERS.components)
        assert len(numbers) < 80


def test_what_is_written_meanwhile_is_in_the_copy_and_a_writer_of_the_version_before_then_waits(
    postgres_url: str,
) -> None:
    with fresh_database(postgres_url) as url, fresh_database(postgres_url) as alone:
        for one in (url, alone):
            migrated_before(one)
        with before.Writer(url, DYADS) as writer:
            migrate(url, "detector", "0026")
            writer.wait_until_locked_out()
        assert len(writer.took_s) > 0
        # The same batches without a migration beside them.
        with psycopg.connect(alone) as conn:
            again = before.Writer(alone, DYADS)
            for _ in writer.took_s:
                again.write(conn)
        assert without_times(rows(url, AFTER)) == without_times(rows(alone, BEFORE))


def without_times(tables: list[list[tuple[object, ...]]]) -> list[list[tuple[object, ...]]]:
    """Leave out when the writer wrote."""
    ratings, *others = tables
    return [[(*row[:5], *row[6:8], *row[9:]) for row in ratings], *others]


def test_a_copy_that_was_interrupted_goes_on(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        migrated_before(url)
        with psycopg.connect(url) as other:
            # A lock that no switch gets: it gives up, and what is copied stays.
            other.execute("LOCK TABLE detector.dyad IN ACCESS SHARE MODE")
            before.interrupt_migration(url)
        old = rows(url, BEFORE)
        migrate(url, "detector", "0026")
        assert rows(url, AFTER) == old
