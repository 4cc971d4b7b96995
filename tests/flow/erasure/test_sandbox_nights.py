"""Each night of a sandbox comes once, whatever clocks say, and one that was missed is noticed."""

from datetime import UTC, datetime, time, timedelta

import pytest

from services.cli.admin.sandboxes import erase_sandboxes, list_sandboxes
from services.detector.cli.erasure import DetectorEraser
from services.detector.cli.plugin import plugin as detector_plugin
from services.runtime.postgres.connect import Connection
from services.runtime.process.cli_plugin import ErasureScope, Verdict
from tests.flow.erasure.conftest import SANDBOX, SeededPractice, night
from tests.support.erasure import (
    GOOD,
    SECRET,
    SeededClient,
    database,
)
from tests.support.invariants import broken


async def test_each_night_comes_once_and_a_new_sandbox_waits_for_the_next(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    now = datetime.now(UTC)
    begins = (now - timedelta(hours=1)).time()
    first = await erase_sandboxes(database(practice.url), SECRET, begins)
    assert set(first) == {SANDBOX}
    assert await erase_sandboxes(database(practice.url), SECRET, begins) == {}
    await practice.detector.rows("UPDATE detector.practice SET added_at = now() RETURNING 1")
    await practice.detector.practice("south.sandbox")
    await practice.detector.rows(
        "UPDATE detector.practice SET added_at = now() WHERE practice_id = 'south.sandbox' RETURNING 1"
    )
    assert await erase_sandboxes(database(practice.url), SECRET, begins) == {}
    assert [one.id for one in await list_sandboxes(database(practice.url))] == [SANDBOX, "south.sandbox"]


async def test_a_client_who_comes_while_the_night_runs_is_erased_with_the_others(
    practice: SeededPractice, sandbox: SeededClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = SeededClient("late", practice=SANDBOX)
    find = DetectorEraser.clients
    came: list[datetime] = []

    async def find_before_one_comes(self: DetectorEraser, conn: Connection, scope: ErasureScope) -> set[str]:
        found = await find(self, conn, scope)
        if not came:
            practice.detector.now = datetime.now(UTC)
            came.append(practice.detector.now)
            await practice.detector.rate(late.sent(-1, GOOD), practice=SANDBOX, accepted_at=came[0])
        return found

    monkeypatch.setattr(DetectorEraser, "clients", find_before_one_comes)
    await night(practice)
    until = await practice.detector.rows(
        "SELECT erased_at FROM detector.erasure WHERE tenant = %s", (SANDBOX,)
    )
    assert [came[0] < at for (at,) in until] == [True], "all that was accepted until then is erased"
    assert (
        await practice.detector.rows(
            "SELECT rating_id FROM detector.rating WHERE practice_id = %s", (SANDBOX,)
        )
        == []
    )
    assert await broken(practice.detector.conn) == {}


async def test_an_erasure_that_a_clock_dated_ahead_is_not_taken_for_tonights(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    await night(practice)
    for schema in ("detector", "notifier"):
        await practice.detector.rows(
            f"""INSERT INTO {schema}.erasure (subject, secret_check, kind, tenant, erased_at, requested_by,
                erased_rows, recorded_at) SELECT subject, secret_check, kind, tenant, ahead, requested_by,
                erased_rows, ahead FROM {schema}.erasure, (SELECT now() + interval '3 days' AS ahead) x
                WHERE tenant = %s RETURNING 1""",
            (SANDBOX,),
        )
        await practice.detector.rows(
            f"DELETE FROM {schema}.erasure WHERE tenant = %s AND erased_at <= now() RETURNING 1", (SANDBOX,)
        )
    assert await _verdict(practice) is Verdict.BAD
    begins = (datetime.now(UTC) - timedelta(hours=1)).time()
    assert set(await erase_sandboxes(database(practice.url), SECRET, begins)) == {SANDBOX}
    assert await _verdict(practice) is Verdict.GOOD
    assert await erase_sandboxes(database(practice.url), SECRET, begins) == {}
    for schema in ("detector", "notifier"):
        until = await practice.detector.rows(
            f"SELECT erased_at <= clock_timestamp() FROM {schema}.erasure WHERE tenant = %s", (SANDBOX,)
        )
        assert until == [(True,)], "what is sent from now on takes effect"


async def test_an_erasure_that_was_interrupted_is_not_taken_for_a_night(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    await night(practice)
    begins = time(0, tzinfo=None)
    await practice.detector.rows(
        "INSERT INTO detector.erasure (subject, secret_check, kind, tenant, erased_at, requested_by,"
        " erased_rows) SELECT subject, secret_check, kind, tenant, erased_at, requested_by, '{}'"
        " FROM detector.erasure WHERE tenant = %s RETURNING 1",
        (SANDBOX,),
    )
    await practice.detector.rows(
        "DELETE FROM detector.erasure WHERE tenant = %s AND erased_rows <> '{}' RETURNING 1", (SANDBOX,)
    )
    await practice.notifier.rows("DELETE FROM notifier.erasure WHERE tenant = %s RETURNING 1", SANDBOX)
    assert set(await erase_sandboxes(database(practice.url), SECRET, begins)) == {SANDBOX}


async def test_a_night_that_was_missed_is_a_bad_check_of_doctor(
    practice: SeededPractice, sandbox: SeededClient
) -> None:
    assert await _verdict(practice) is Verdict.BAD
    await night(practice)
    assert await _verdict(practice) is Verdict.GOOD


async def _verdict(practice: SeededPractice) -> Verdict:
    assert detector_plugin.check is not None
    (found,) = [one for one in await detector_plugin.check(practice.detector.conn) if one.name == "sandboxes"]
    return found.verdict
