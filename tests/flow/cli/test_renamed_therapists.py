"""A therapist who gets another reference keeps everything, is told nothing twice, and answers to both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from typer.testing import CliRunner

from schemas.events import Answer
from services.cli.__main__ import application
from services.cli.admin.rename import rename_therapist
from tests.flow.notifier.test_pages import csrf_in, signed_in
from tests.support.detector.batch_driver import answer_of, body
from tests.support.detector_and_notifier import Flow, both_services
from tests.support.service_stack import settings_for

OLD, NEW = "t-1", "m-2"
GOOD, LOW = (4.5, 4.5, 4.5), (2.5, 2.5, 2.5)


@pytest.fixture
async def flow(migrated_url: str, tmp_path: Path) -> AsyncIterator[Flow]:
    """Both services, and a therapist in the directory."""
    async with both_services(migrated_url, tmp_path) as ready:
        yield ready


async def rename(flow: Flow, old: str = OLD, new: str = NEW) -> dict[str, int]:
    """Rename as the command does."""
    return await rename_therapist(settings_for(flow.url), "north", old, new)


def session(week: float, marks: Sequence[float], therapist: str = OLD) -> dict[str, object]:
    return body(week, marks, therapist_id=therapist)


COURSE = [(-5, GOOD), (-4, GOOD), (-3, GOOD), (-2, LOW), (-1, LOW), (0, LOW)]


async def test_what_names_either_reference_ends_as_if_there_were_one(flow: Flow) -> None:
    for week, marks in COURSE[:4]:
        await flow.rate(session(week, marks))
    deliveries = "SELECT episode_id, revision, channel FROM notifier.delivery ORDER BY 1, 2, 3"
    told = await flow.notifier.rows(deliveries)
    await rename(flow)
    # Both names in one batch: the practice's system is changed while ratings are on their way.
    await flow.rate(session(-1, LOW, NEW), session(0, LOW, OLD))
    await flow.rate(session(-2, LOW, OLD), session(-2, LOW, NEW))
    assert await flow.notifier.rows(deliveries) == told
    assert await flow.detector.rows("SELECT therapist_id FROM detector.dyad") == [(NEW,)]
    (item,) = await flow.notifier.rows("SELECT therapist_id, state FROM notifier.item")
    assert item[0] == NEW
    assert len(await flow.detector.rows("SELECT FROM detector.assessment")) == len(COURSE)


async def test_a_rating_that_is_sent_again_under_the_new_reference_is_a_duplicate(flow: Flow) -> None:
    await flow.rate(session(0, GOOD) | {"id": "r-1"})
    await rename(flow)
    await flow.rate(session(0, GOOD, NEW) | {"id": "r-1"}, session(0, LOW, NEW) | {"id": "r-1"})
    assert await flow.detector.rows("SELECT rating_id FROM detector.duplicate") == [("r-1",)]
    assert await flow.detector.rows("SELECT reason FROM detector.rejection") == [("id-reused",)]


async def test_nothing_is_left_under_the_old_reference(flow: Flow) -> None:
    for week, marks in COURSE[:4]:
        await flow.rate(session(week, marks))
    await flow.notifier.add_therapist(therapist_id="t-2", address="t2@north.example", supervisor=OLD)
    assert {
        "detector.dyad",
        "detector.episode",
        "notifier.item",
        "notifier.therapist",
    } <= await flow.mentions(OLD)
    changed = await rename(flow)
    assert {"detector.dyad": 1, "detector.episode": 1, "notifier.item": 1}.items() <= changed.items()
    # What was published is kept as it was published, and the audit log as it was written.
    names = {"detector.therapist_name", "notifier.therapist_name"}
    assert await flow.mentions(OLD) - names <= {"detector.episode_change", "notifier.audit"}


async def test_the_therapist_stays_signed_in_and_answers_the_same_item(flow: Flow) -> None:
    for week, marks in COURSE[:4]:
        await flow.rate(session(week, marks))
    ((episode,),) = await flow.notifier.rows("SELECT episode_id FROM notifier.item")
    async with flow.notifier.browser() as browser:
        await signed_in(flow.notifier, browser)
        await rename(flow)
        page = await browser.get(f"/items/{episode}")
        assert page.status_code == 200
        sent = await browser.post(
            f"/items/{episode}/answers", data={"csrf": csrf_in(page), "answer": "discussed"}
        )
        assert sent.status_code == 303
    (answer,) = flow.notifier.answers()
    assert (answer.therapist_id, answer.answer) == (NEW, Answer.DISCUSSED)
    # An answer that was on its way under the old reference belongs to the same dyad.
    late = answer_of(session(0, LOW, OLD), str(episode), Answer.DISCUSSED, 1)
    await flow.detector.feed([late])
    assert await flow.detector.rows(
        "SELECT r.answer, d.therapist_id FROM detector.response r JOIN detector.dyad d USING (dyad_id)"
    ) == [("discussed", NEW)]


async def test_events_that_were_on_their_way_reach_the_therapist_under_the_new_reference(flow: Flow) -> None:
    outgoing = [out for week, marks in COURSE[:4] for out in await flow.detector.rate(session(week, marks))]
    await rename(flow)
    await flow.pass_on(outgoing)
    assert await flow.notifier.rows("SELECT therapist_id FROM notifier.item") == [(NEW,)]
    assert await flow.notifier.rows("SELECT DISTINCT therapist_id FROM notifier.assessed_session") == [(NEW,)]
    assert await flow.notifier.rows("SELECT DISTINCT content ->> 'therapist_id' FROM notifier.change") == [
        (NEW,)
    ]


async def test_the_directory_takes_the_old_reference_for_the_new_one(flow: Flow) -> None:
    await rename(flow)
    async with flow.notifier.api_client() as system:
        entry = {"address": "t1@north.example", "locale": "de"}
        stored = await system.put(f"/v1/therapists/{OLD}", json=entry)
        assert (stored.status_code, stored.json()["therapist_id"]) == (200, NEW)
        assert (await system.get(f"/v1/therapists/{OLD}")).json()["locale"] == "de"
        statement = {"therapist_id": OLD, "at": None}
        next_session = await system.put("/v1/clients/c-1/next-session", json=statement)
        assert next_session.json()["therapist_id"] == NEW
        assert (await system.delete(f"/v1/therapists/{OLD}")).status_code == 204
    assert await flow.notifier.rows("SELECT FROM notifier.therapist") == []


async def test_a_therapist_may_be_renamed_again_and_back(flow: Flow) -> None:
    for week, marks in COURSE[:3]:
        await flow.rate(session(week, marks))
    await rename(flow, OLD, NEW)
    await rename(flow, NEW, "x-3")
    await rename(flow, "x-3", OLD)
    await flow.rate(
        *[session(week, LOW, name) for week, name in zip((-2, -1, 0), (OLD, NEW, "x-3"), strict=True)]
    )
    assert await flow.detector.rows(
        "SELECT d.therapist_id, count(*) FROM detector.dyad d JOIN detector.rating USING (dyad_id) GROUP BY 1"
    ) == [(OLD, 6)]


async def test_two_therapists_never_become_one(flow: Flow) -> None:
    await flow.rate(session(-1, GOOD), session(0, GOOD, NEW) | {"client_id": "client-2"})
    with pytest.raises(ValueError, match=f"{NEW} has rows of its own already"):
        await rename(flow)
    await rename(flow, NEW, "x-3")
    with pytest.raises(ValueError, match="was the reference of a therapist who is now called x-3"):
        await rename(flow, OLD, NEW)
    with pytest.raises(ValueError, match="is called x-3 already"):
        await rename(flow, NEW, "y-4")
    with pytest.raises(ValueError, match="nothing is known about a therapist nobody"):
        await rename(flow, "nobody", "y-4")


async def test_a_batch_in_flight_is_waited_for_and_holds_nobody_up_for_long(flow: Flow) -> None:
    async with await psycopg.AsyncConnection.connect(flow.url) as other:
        await other.execute("SELECT FROM detector.therapist_name")
        with pytest.raises(LockNotAvailable):
            await rename(flow)
    assert await flow.mentions(NEW) == set()
    await rename(flow)


def test_the_command_says_what_changed_and_why_it_refuses(migrated_url: str, tmp_path: Path) -> None:
    async def add() -> None:
        async with both_services(migrated_url, tmp_path):
            pass

    asyncio.run(add())

    def run(*words: str) -> tuple[int, str]:
        found = CliRunner().invoke(
            application(),
            ["therapists", "rename", "--practice", "north", *words],
            env={"DATABASE_URL": migrated_url},
        )
        return found.exit_code, found.output

    assert run("--from", OLD, "--to", "a b")[0] == 2
    code, said = run("--from", OLD, "--to", NEW)
    assert (code, "notifier.therapist: 1" in said) == (0, True)
    code, said = run("--from", OLD, "--to", "x-3")
    assert (code, f"is called {NEW} already" in said) == (1, True)
