"""A sandbox is erased every night, and its data never meets that of the practice with the same ids."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from schemas import topics
from services.cli.admin.erase import erase
from services.detector.jobs.renew_statistics import newest_statistics
from services.detector.jobs.weekly_jobs import WeeklyJob, practices_due
from services.runtime.outbox.erasures import PLACES_KEPT
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.cli_plugin import ErasureScope
from tests.flow.erasure.conftest import SANDBOX, SeededPractice, night
from tests.support.detector.batch_driver import NOW
from tests.support.erasure import (
    GOOD,
    LATER,
    LOW,
    SCHEMAS,
    SECRET,
    SeededClient,
    database,
    tables_with,
)
from tests.support.invariants import broken

BY_PRACTICE = """
SELECT table_schema || '.' || table_name, column_name FROM information_schema.columns
WHERE table_schema = ANY(%s) AND column_name IN ('practice_id', 'tenant') AND NOT (
    SELECT relispartition FROM pg_class WHERE oid = format('%%I.%%I', table_schema, table_name)::regclass)
ORDER BY 1
"""


async def rows_of(practice: SeededPractice, tenant: str) -> dict[str, list[Any]]:
    """Return all rows of a practice, by table."""
    found = {}
    for table, column in await practice.detector.rows(BY_PRACTICE, (list(SCHEMAS),)):
        rows = await practice.detector.rows(
            f"SELECT t::text FROM {table} t WHERE {column} = %s ORDER BY 1", (tenant,)
        )
        found[table] = rows
    return {table: rows for table, rows in found.items() if rows}


async def test_a_night_takes_all_of_the_sandbox_and_nothing_of_the_practice_with_the_same_ids(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    before = await rows_of(practice, "north")
    kept = await tables_with(practice.detector.conn, practice.gone.ids)
    of_sandbox = sandbox.ids - practice.gone.ids
    assert len(of_sandbox) == 4, "ids of dyad and episode are derived from the practice's"
    assert await tables_with(practice.detector.conn, of_sandbox) != set()
    await night(practice)
    assert await rows_of(practice, "north") == before
    assert await tables_with(practice.detector.conn, practice.gone.ids) == kept
    assert await tables_with(practice.detector.conn, of_sandbox) == set()
    assert await broken(practice.detector.conn) == {}


async def test_the_practice_is_erased_without_its_sandbox(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    before = await rows_of(practice, SANDBOX)
    await erase(database(practice.url), SECRET, ErasureScope("north"), requested_by="a test")
    assert await rows_of(practice, SANDBOX) == before


async def test_no_byte_of_the_clients_ids_is_left_after_a_night(practice: SeededPractice) -> None:
    await practice.detector.practice(SANDBOX)
    await practice.notifier.add_therapist(practice_id=SANDBOX, therapist_id="t-9")
    made_up = SeededClient("invented", "t-9", SANDBOX)
    await made_up.fill(practice.detector, practice.notifier)
    assert len(await tables_with(practice.detector.conn, made_up.ids)) > 20
    await night(practice)
    assert await tables_with(practice.detector.conn, made_up.ids) == set()
    await practice.detector.feed(made_up.records)
    await practice.notifier.handle_records(made_up.published)
    assert await tables_with(practice.detector.conn, made_up.ids) == set(), "a replay brings nothing back"
    assert await broken(practice.detector.conn) == {}


async def test_what_was_set_stays_and_what_was_made_by_using_it_goes(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    await practice.notifier.rows(
        "INSERT INTO notifier.own_settings (practice_id, therapist_id, mail_on, mail_hour, changed_at)"
        " VALUES (%s, 't-1', true, 7, now()) RETURNING 1",
        SANDBOX,
    )
    await night(practice)
    left = await rows_of(practice, SANDBOX)
    assert set(left) == {
        "detector.audit", "detector.erased", "detector.erasure", "detector.practice",
        "notifier.audit", "notifier.erasure", "notifier.practice", "notifier.therapist",
    }  # fmt: skip
    assert await practice.notifier.rows(
        "SELECT address, display_name FROM notifier.therapist JOIN notifier.practice USING (practice_id)"
        " WHERE practice_id = %s",
        SANDBOX,
    ) == [("tester@north.example", "Made up")]


async def test_thirty_nights_leave_as_many_rows_of_erasures_as_one(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    await night(practice)
    counts = []
    for number in range(30):
        accepted_at = NOW + LATER + timedelta(days=number)
        practice.detector.now = accepted_at
        await practice.detector.rate(sandbox.sent(-1, GOOD), practice=SANDBOX, accepted_at=accepted_at)
        await erase(
            database(practice.url), SECRET, ErasureScope(SANDBOX, client="client-gone"), requested_by="a test"
        )
        await practice.detector.rate(
            sandbox.sent(-2, GOOD), practice=SANDBOX, accepted_at=accepted_at + timedelta(hours=1)
        )
        await night(practice)
        counts.append([await _number(practice, f"{schema}.erasure") for schema in ("detector", "notifier")])
    assert counts == [[1, 1]] * 30


async def test_places_of_the_sandbox_are_kept_for_as_long_as_a_log_can_hold_the_records(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    longest = max(topic.retention_ms for topic in topics.ALL) + topics.SEGMENT_MS
    assert timedelta(milliseconds=longest) < PLACES_KEPT
    await erase(database(practice.url), SECRET, ErasureScope("north"), requested_by="a test")
    await night(practice)
    of_practice, made_up = [
        await practice.detector.rows("SELECT count(*) FROM detector.erased WHERE tenant = %s", (one,))
        for one in ("north", SANDBOX)
    ]
    for days, left in ((-1, made_up), (1, [(0,)])):
        await practice.detector.rows(
            "UPDATE detector.erased SET erased_at = now() - %s RETURNING 1",
            (PLACES_KEPT + timedelta(days=days),),
        )
        await night(practice)
        counted = "SELECT count(*) FROM detector.erased WHERE tenant = %s"
        assert await practice.detector.rows(counted, (SANDBOX,)) == left
        assert await practice.detector.rows(counted, ("north",)) == of_practice


async def test_the_same_rating_is_taken_and_scored_again_after_the_night(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    await night(practice)
    practice.detector.now = NOW + LATER
    ratings = [sandbox.sent(week, GOOD) for week in (-4, -3, -2)] + [sandbox.sent(-1, LOW)]
    await practice.detector.rate(*ratings, practice=SANDBOX, accepted_at=NOW + LATER)
    assert await practice.detector.rows(
        "SELECT rating_id FROM detector.assessment WHERE practice_id = %s ORDER BY 1", (SANDBOX,)
    ) == [(f"rating-gone-{number}",) for number in range(4)]
    assert await practice.detector.rows(
        "SELECT count(*) FROM detector.episode WHERE practice_id = %s", (SANDBOX,)
    ) == [(1,)]
    assert await broken(practice.detector.conn) == {}


@pytest.mark.parametrize("schema", ["detector", "notifier"])
async def test_erasures_of_a_practice_cannot_be_deleted(
    practice: SeededPractice, sandbox: SeededClient, schema: str
) -> None:
    await erase(database(practice.url), SECRET, ErasureScope("north"), requested_by="a test")
    await night(practice)
    with pytest.raises(psycopg.errors.RaiseException, match="only added"):
        await practice.detector.rows(f"DELETE FROM {schema}.erasure WHERE tenant = 'north' RETURNING 1")
    await practice.detector.conn.rollback()
    await night(practice)
    assert await _number(practice, f"{schema}.erasure", "north") == 2


async def test_weekly_jobs_compute_nothing_of_a_sandbox(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    due: list[str] = []

    async def read(tx: Transaction) -> None:
        async def add(tx: Transaction, *, practice: str) -> None:
            raise AssertionError(practice)

        due[:] = await practices_due(tx, WeeklyJob("statistics", newest_statistics, add), NOW.date())

    await practice.detector.transact(read)
    assert due == ["north"]


async def test_a_sandbox_that_falls_silent_is_not_expected_to_send(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    assert await practice.notifier.rows("SELECT DISTINCT practice_id FROM notifier.feed_day") == [("north",)]


async def _number(practice: SeededPractice, table: str, tenant: str = SANDBOX) -> int:
    ((number,),) = await practice.detector.rows(f"SELECT count(*) FROM {table} WHERE tenant = %s", (tenant,))
    return int(number)
