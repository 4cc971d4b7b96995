"""Each table keeps its rows for a time that is written down, and what is over is deleted in small slices."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from services.detector.storage import kept_rows as detector_rows
from services.notifier.inbox import kept_rows as notifier_rows
from services.runtime.postgres import retention
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.retention import Retention, RetentionRule
from services.runtime.process.settings import AUDIT_DAYS, REJECTION_DAYS
from tests.flow.erasure.conftest import SeededPractice
from tests.support.clock import ManualClock
from tests.support.erasure import deliveries
from tests.support.invariants import broken
from tests.support.postgres import TABLES

RULES = {
    "detector": detector_rows.retention_rules(audit_days=AUDIT_DAYS, rejection_days=REJECTION_DAYS),
    "notifier": notifier_rows.retention_rules(
        audit_days=AUDIT_DAYS, rejection_days=REJECTION_DAYS, sign_in_days=90
    ),
}
OTHERS = {
    "detector": (detector_rows.UNTIL_CLIENT_ERASED, detector_rows.FOR_GOOD),
    "notifier": (notifier_rows.UNTIL_CLIENT_ERASED, notifier_rows.FOR_GOOD),
}
NOW = ManualClock().now()


async def apply(practice: SeededPractice, schema: str, rules: tuple[RetentionRule, ...]) -> dict[str, float]:
    """Apply rules long after everything in the tables; return the rows deleted, as the metrics say."""
    registry = CollectorRegistry()
    conn = practice.detector.conn

    async def transact(work: Callable[[Connection], Awaitable[None]]) -> None:
        async with conn.transaction():
            await work(conn)

    later = NOW + timedelta(days=20_000)
    await Retention(schema, rules, registry).run_when_due(transact, later, lambda: False)
    name = "rapport_retention_last_run_timestamp_seconds"
    assert registry.get_sample_value(name) == later.timestamp()
    return {
        rule.table: registry.get_sample_value("rapport_retention_deleted_rows_total", {"table": rule.table})
        or 0.0
        for rule in rules
    }


@pytest.mark.parametrize("schema", RULES)
async def test_every_table_has_one_time_for_which_it_is_kept(practice: SeededPractice, schema: str) -> None:
    ruled = [one.table.removeprefix(f"{schema}.") for one in RULES[schema]]
    named = sorted([*ruled, *OTHERS[schema][0], *OTHERS[schema][1]])
    assert named == sorted(table for (table,) in await practice.detector.rows(TABLES, (schema,)))


async def test_rejections_go_and_the_balance_counts_them_still(practice: SeededPractice) -> None:
    conn = practice.detector.conn
    before = await deliveries(conn)
    rejected = sum(number for outcome, number in before.items() if outcome.startswith("rejected"))
    ((stored,),) = await practice.detector.rows("SELECT count(*) FROM detector.rejection")
    gone = await apply(practice, "detector", RULES["detector"][1:])
    after = await deliveries(conn)
    assert gone == {"detector.rejection": stored}
    assert rejected == after["erased"] - before["erased"] > 0
    assert sum(after.values()) == sum(before.values())
    assert await broken(conn) == {}


async def test_sign_ins_go_and_what_a_therapist_was_told_stays(practice: SeededPractice) -> None:
    conn = practice.detector.conn
    told = len(await practice.notifier.decisions())
    gone = await apply(practice, "notifier", RULES["notifier"][2:])
    assert gone == {
        "notifier.session": 0,
        "notifier.sign_in_link": 2,
        "notifier.link_request": 2,
        "notifier.delivery": 0,
    }
    assert len(await practice.notifier.decisions()) == told
    assert await broken(conn) == {}


@pytest.mark.parametrize("schema", RULES)
async def test_a_log_loses_what_is_over_in_slices_and_nothing_of_the_last_year(
    practice: SeededPractice, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 2)
    add = (
        f"INSERT INTO {schema}.audit (at, practice_id, actor, action, detail)"
        " SELECT now() - make_interval(days => 400), 'north', 'key', 'read', '' FROM generate_series(1, 5)"
        " RETURNING 1"
    )
    kept = await practice.detector.rows(f"SELECT audit_id FROM {schema}.audit")
    await practice.detector.rows(add)
    assert await apply(practice, schema, RULES[schema][:1]) == {f"{schema}.audit": 5}
    assert await practice.detector.rows(f"SELECT audit_id FROM {schema}.audit") == kept != []


async def test_only_one_replica_deletes_at_a_time(practice: SeededPractice) -> None:
    with psycopg.connect(practice.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('detector.retention'))")
        assert await apply(practice, "detector", RULES["detector"][1:]) == {"detector.rejection": 0}
    assert (await apply(practice, "detector", RULES["detector"][1:]))["detector.rejection"] > 0


async def test_it_is_done_once_a_day_and_a_stop_ends_it_between_slices(practice: SeededPractice) -> None:
    times: list[int] = []

    async def transact(work: Callable[[Connection], Awaitable[None]]) -> None:
        times.append(len(times))

    once = Retention("detector", RULES["detector"], CollectorRegistry())
    await once.run_when_due(transact, NOW, lambda: True)
    assert times == []
    for hours, transactions in ((0, 2), (23, 2), (24, 4), (-100, 6)):
        await once.run_when_due(transact, NOW + timedelta(hours=hours), lambda: False)
        assert len(times) == transactions
