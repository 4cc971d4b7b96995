"""Ratings, assessments and dyads get keys that begin with the practice, beside a detector that writes."""

from collections.abc import Sequence

import psycopg
import pytest
from psycopg import sql

from deploy.postgres import table_copy
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


def rows_read(url: str, table: str) -> int:
    with psycopg.connect(url) as conn:
        query = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = %s"
        found = conn.execute(query, (table,)).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.parametrize("table", ["rating", "assessment"])
def test_a_copy_reads_each_row_a_few_times_however_many_slices_it_takes(
    postgres_url: str, table: str
) -> None:
    with fresh_database(postgres_url) as url:
        migrated_before(url)
        with psycopg.connect(url, autocommit=True) as conn:
            # As in a table of millions, where a range of the key seems to be most of it.
            name = sql.Identifier(conn.info.dbname)
            conn.execute(sql.SQL("ALTER DATABASE {} SET random_page_cost = 100").format(name))
        read_before = rows_read(url, table)
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE detector.dyad IN ACCESS SHARE MODE")
            before.interrupt_migration(url)
        read = rows_read(url, table) - read_before
    stored = DYADS * before.SESSIONS
    assert stored <= read <= 4 * stored


def test_rows_of_a_table_that_is_written_anew_during_the_copy_are_copied(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_pages = table_copy._copy_pages
    with fresh_database(postgres_url) as url:
        migrated_before(url)
        with psycopg.connect(url, autocommit=True) as conn:
            # The first pages become free, so that rows of the last ones get there.
            conn.execute("DELETE FROM detector.rating WHERE ctid < '(40,0)'::tid")
        old = rows(url, BEFORE)

        def write_anew(conn: table_copy.Connection, one: table_copy.TableCopy, first: int) -> None:
            if one.table == "detector.rating" and first == 2 * table_copy.PAGES_AT_ONCE and not anew:
                anew.append(first)
                with psycopg.connect(url, autocommit=True) as other:
                    other.execute("VACUUM FULL detector.rating")
            copy_pages(conn, one, first)

        anew: list[int] = []
        monkeypatch.setattr(table_copy, "_copy_pages", write_anew)
        migrate(url, "detector", "0026")
        assert anew
        assert rows(url, AFTER) == old


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
