"""A client who gets another reference keeps the whole history; nobody is told twice, whichever is named."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.events import Answer
from services.cli.__main__ import application
from services.detector.storage.client_names import ClientRenaming, rename_and_publish
from tests.support.detector.batch_driver import NOW, answer_of, record_of
from tests.support.detector_and_notifier import Flow, both_services
from tests.support.erasure import SECRET
from tests.support.renamed_clients import (
    COURSE,
    DELIVERIES,
    GOOD,
    LOW,
    NEW,
    OLD,
    WAYS,
    rate_until_told,
    rename,
    renaming_flow,
    session,
)


@pytest.fixture(params=WAYS)
async def flow(request: pytest.FixtureRequest, migrated_url: str, tmp_path: Path) -> AsyncIterator[Flow]:
    async with renaming_flow(request.param, migrated_url, tmp_path) as ready:
        yield ready


async def test_what_names_either_reference_ends_as_if_there_were_one(flow: Flow) -> None:
    told = await rate_until_told(flow)
    await rename(flow)
    # Both in one batch: the practice's system is changed while ratings are on their way.
    await flow.rate(session(-1, LOW, NEW), session(0, LOW, OLD))
    # A session of before, sent once more under each.
    await flow.rate(session(-2, LOW, OLD), session(-2, LOW, NEW))
    assert await flow.notifier.rows(DELIVERIES) == told
    assert await flow.detector.rows("SELECT client_id FROM detector.dyad") == [(NEW,)]
    assert await flow.detector.rows("SELECT DISTINCT client_id FROM detector.rating") == [(NEW,)]
    assert await flow.notifier.rows("SELECT client_id FROM notifier.item") == [(NEW,)]
    assert len(await flow.detector.rows("SELECT FROM detector.assessment")) == len(COURSE)


async def test_a_replay_of_the_whole_topic_changes_nothing(flow: Flow) -> None:
    records = [record_of(session(week, marks), place) for place, (week, marks) in enumerate(COURSE)]
    outgoing = await flow.detector.feed(records)
    await flow.pass_on(outgoing)
    await rename(flow)
    tables = ("dyad", "rating", "assessment", "episode", "episode_change", "duplicate", "rejection")

    async def state() -> list[object]:
        rows = [
            await flow.detector.rows(f"SELECT to_jsonb(t) FROM detector.{table} t ORDER BY 1::text")
            for table in tables
        ]
        return [*rows, await flow.notifier.rows(DELIVERIES), await flow.notifier.rows(_ITEMS)]

    before = await state()
    assert await flow.detector.feed(records) == []
    await flow.pass_on(outgoing)
    assert await state() == before


_ITEMS = "SELECT client_id, state, revision FROM notifier.item"


async def test_a_rating_that_is_sent_again_under_the_new_reference_is_a_duplicate(flow: Flow) -> None:
    await flow.rate(session(0, GOOD, id="r-1"))
    await rename(flow)
    await flow.rate(session(0, GOOD, NEW, id="r-1"), session(0, LOW, NEW, id="r-1"))
    assert await flow.detector.rows("SELECT rating_id FROM detector.duplicate") == [("r-1",)]
    assert await flow.detector.rows("SELECT reason FROM detector.rejection") == [("id-reused",)]


async def test_a_correction_and_a_withdrawal_under_the_old_reference_take_effect(flow: Flow) -> None:
    await flow.rate(session(-1, GOOD, id="a"), session(0, GOOD, id="b"))
    await rename(flow)
    at = NOW.isoformat()
    await flow.rate(session(-1, LOW, id="a", recorded_at=at))
    await flow.rate(session(0, None, id="c", status="withdrawn"))
    stored = "SELECT rating_id, status, current, client_id FROM detector.rating ORDER BY 1"
    assert await flow.detector.rows(stored) == [
        ("a", "rated", True, NEW),
        ("b", "rated", False, NEW),
        ("c", "withdrawn", True, NEW),
    ]


async def test_a_rating_that_waits_is_taken_up_under_the_new_reference(flow: Flow) -> None:
    await flow.rate(session(0, GOOD, id="a"))
    await flow.rate(session(0, GOOD, id="b") | {"therapist_id": "t-2"})
    assert await flow.detector.rows("SELECT rating_id, client_id FROM detector.blocked") == [("b", OLD)]
    await rename(flow)
    await flow.rate(session(0, None, NEW, id="c", status="withdrawn"))
    assert await flow.detector.rows("SELECT FROM detector.blocked") == []
    assert await flow.detector.rows(
        "SELECT rating_id, therapist_id, client_id FROM detector.rating JOIN detector.dyad"
        " USING (dyad_id, client_id) WHERE current AND status = 'rated'"
    ) == [("b", "t-2", NEW)]


async def test_a_rating_under_the_old_reference_that_has_to_wait_waits_under_the_new_one(flow: Flow) -> None:
    await flow.rate(session(0, GOOD, id="a"))
    await rename(flow)
    await flow.rate(session(0, GOOD, OLD, id="b") | {"therapist_id": "t-2"})
    assert await flow.detector.rows("SELECT rating_id, client_id FROM detector.blocked") == [("b", NEW)]
    await flow.rate(session(0, None, NEW, id="c", status="withdrawn"))
    assert await flow.detector.rows("SELECT FROM detector.blocked") == []


async def test_nothing_is_left_under_the_old_reference(flow: Flow) -> None:
    await rate_until_told(flow)
    async with flow.notifier.api_client() as system:
        await system.put(f"/v1/clients/{OLD}/next-session", json={"therapist_id": "t-1", "at": None})
    await rename(flow)
    # What was published is kept as it was published.
    names = {"detector.client_name", "notifier.client_name"}
    assert await flow.mentions(OLD) - names <= {"detector.episode_change"}
    acts = await flow.detector.rows("SELECT action FROM detector.audit JOIN detector.dyad USING (dyad_id)")
    assert acts == [("client-renamed",)]


async def test_events_that_were_on_their_way_reach_the_inbox_under_the_new_reference(flow: Flow) -> None:
    outgoing = [out for week, marks in COURSE[:4] for out in await flow.detector.rate(session(week, marks))]
    await rename(flow)
    await flow.pass_on(outgoing)
    for table in ("item", "change", "assessed_session"):
        assert await flow.notifier.rows(f"SELECT DISTINCT client_id FROM notifier.{table}") == [(NEW,)]
    contents = await flow.notifier.rows("SELECT DISTINCT content ->> 'client_id' FROM notifier.change")
    assert contents == [(NEW,)]


async def test_an_answer_under_the_old_reference_belongs_to_the_same_dyad(flow: Flow) -> None:
    await rate_until_told(flow)
    ((episode,),) = await flow.notifier.rows("SELECT episode_id FROM notifier.item")
    await rename(flow)
    for number, client in enumerate((OLD, NEW), start=1):
        sent = session(0, LOW, client)
        await flow.detector.feed([answer_of(sent, str(episode), Answer.DISCUSSED, number)])
    assert await flow.detector.rows(
        "SELECT answer_revision, d.client_id FROM detector.response JOIN detector.dyad d USING (dyad_id)"
        " ORDER BY 1"
    ) == [(1, NEW), (2, NEW)]


async def test_a_next_session_is_stored_under_the_new_reference_and_the_last_statement_stays(
    flow: Flow,
) -> None:
    await flow.rate(session(0, GOOD))
    async with flow.notifier.api_client() as system:
        for client, day in ((NEW, 1), (OLD, 2)):
            flow.notifier.advance(timedelta(seconds=1))
            at = f"2026-03-2{day}T10:00:00Z"
            await system.put(f"/v1/clients/{client}/next-session", json={"therapist_id": "t-1", "at": at})
        await rename(flow)
        stored = "SELECT client_id, next_at FROM notifier.next_session"
        assert await flow.notifier.rows(stored) == [(NEW, datetime(2026, 3, 22, 10, tzinfo=UTC))]
        later = {"therapist_id": "t-1", "at": "2026-03-23T10:00:00Z"}
        answer = await system.put(f"/v1/clients/{OLD}/next-session", json=later)
    assert answer.json()["client_id"] == NEW
    assert await flow.notifier.rows(stored) == [(NEW, datetime(2026, 3, 23, 10, tzinfo=UTC))]


async def test_a_client_may_be_renamed_again_and_back(flow: Flow) -> None:
    for week, marks in COURSE[:3]:
        await flow.rate(session(week, marks))
    await rename(flow, OLD, NEW)
    await rename(flow, NEW, "y-3")
    await rename(flow, "y-3", OLD)
    await flow.rate(
        *[session(week, LOW, name) for week, name in zip((-2, -1, 0), (OLD, NEW, "y-3"), strict=True)]
    )
    assert await flow.detector.rows(
        "SELECT d.client_id, count(*) FROM detector.dyad d JOIN detector.rating USING (dyad_id) GROUP BY 1"
    ) == [(OLD, 6)]


async def test_two_histories_never_become_one(flow: Flow) -> None:
    await flow.rate(session(-1, GOOD), session(0, GOOD, NEW))
    with pytest.raises(ValueError, match=f"{NEW} has sessions of its own.*send the sessions of {OLD}"):
        await rename(flow)
    await rename(flow, NEW, "y-3")
    with pytest.raises(ValueError, match="was the reference of a client who is now called y-3"):
        await rename(flow, OLD, NEW)
    with pytest.raises(ValueError, match="is called y-3 already"):
        await rename(flow, NEW, "z-4")


async def test_only_an_operator_is_told_that_nothing_is_known_of_a_client(flow: Flow) -> None:
    if flow.way == "command":
        with pytest.raises(ValueError, match="nothing is known about a client nobody"):
            await rename(flow, "nobody", NEW)
        return
    # What names the former reference may be on its way.
    await rename(flow, OLD, NEW)
    await flow.rate(session(0, GOOD, OLD))
    assert await flow.detector.rows("SELECT client_id FROM detector.dyad") == [(NEW,)]
    assert await flow.notifier.rows("SELECT client_id FROM notifier.assessed_session") == [(NEW,)]


@pytest.mark.parametrize("flow", ["request"], indirect=True)  # the command renames for both at once
async def test_what_was_published_under_the_new_reference_may_reach_the_notifier_first(flow: Flow) -> None:
    told = await rate_until_told(flow)
    renaming = ClientRenaming("north", OLD, NEW, "key 1234")
    renamed = await flow.detector.transact(
        lambda tx: rename_and_publish(tx, renaming, flow.detector.tools.erasures)
    )
    await flow.rate(session(-1, LOW, NEW), session(0, LOW, NEW))
    numbers = "SELECT number FROM notifier.client_number ORDER BY 1"
    before = await flow.notifier.rows(numbers)
    await flow.pass_on(renamed)
    for table in ("item", "change", "assessed_session"):
        assert await flow.notifier.rows(f"SELECT DISTINCT client_id FROM notifier.{table}") == [(NEW,)]
    assert await flow.notifier.rows(DELIVERIES) == told
    assert await flow.notifier.rows(numbers) == before[:1]
    # Read once more, also after the next renaming, it changes nothing.
    await rename(flow, NEW, "y-3")
    await flow.pass_on(renamed)
    assert await flow.notifier.rows("SELECT client_id FROM notifier.item") == [("y-3",)]


def test_the_command_says_what_changed_and_why_it_refuses(migrated_url: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)

    async def add() -> None:
        async with both_services(migrated_url, tmp_path) as ready:
            await ready.rate(session(0, GOOD))

    asyncio.run(add())

    def run(*words: str) -> tuple[int, str]:
        found = CliRunner().invoke(
            application(),
            ["clients", "rename", "--practice", "north", *words],
            env={"DATABASE_URL": migrated_url, "RAPPORT_ERASURE_SECRET_FILE": str(secret)},
        )
        return found.exit_code, found.output

    assert run("--from", OLD, "--to", "a b")[0] == 2
    code, said = run("--from", OLD, "--to", NEW)
    assert (code, "detector.rating: 1" in said) == (0, True), said
    code, said = run("--from", OLD, "--to", "y-3")
    assert (code, f"is called {NEW} already" in said) == (1, True)
