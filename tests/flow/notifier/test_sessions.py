"""Where a therapist is signed in, what an unknown address answers, and where a new link leads."""

import re
from datetime import timedelta

import pytest

from tests.flow.notifier.test_pages import ITEM, csrf_in, mailed_token, signed_in
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver


async def test_a_therapist_sees_and_ends_the_own_sessions(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as one, notifier.browser() as other:
        await signed_in(notifier, one)
        notifier.advance(timedelta(minutes=10))
        await one.post("/sign-in/link", data={"address": "t1@north.example"})
        await signed_in(notifier, other)
        page = await other.get("/sessions")
        ends = re.findall(r'action="(/sessions/[0-9a-f-]+/end)"', page.text)
        assert (len(ends), page.text.count("This one")) == (1, 1)
        await other.post(ends[0], data={"csrf": csrf_in(page)})
        assert (await one.get(ITEM)).status_code == 303
        assert (await other.get(ITEM)).status_code == 200


async def test_a_session_of_somebody_else_cannot_be_ended(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(therapist_id="t-2", address="t2@north.example")
    await notifier.handle(changed())
    async with notifier.browser() as mine, notifier.browser() as theirs:
        await signed_in(notifier, mine)
        ((named,),) = await notifier.rows("SELECT session_id FROM notifier.session")
        await theirs.post("/sign-in/link", data={"address": "t2@north.example"})
        await signed_in(notifier, theirs)
        page = await theirs.get("/sessions")
        await theirs.post(f"/sessions/{named}/end", data={"csrf": csrf_in(page)})
        assert str(named) not in page.text
        assert (await mine.get(ITEM)).status_code == 200


async def test_half_an_hour_without_a_page_ends_a_session(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        notifier.advance(timedelta(minutes=30))
        assert (await browser.get(ITEM)).status_code == 303


async def test_an_item_that_asked_for_the_sign_in_is_where_its_new_link_leads(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    async with notifier.browser() as browser:
        asked = await browser.get((await browser.get(ITEM)).headers["location"])
        item = re.search(r'name="item" value="([0-9a-f-]+)"', asked.text)
        assert item is not None
        await browser.post("/sign-in/link", data={"address": "t1@north.example", "item": item.group(1)})
        answer = await signed_in(notifier, browser)
    assert answer.headers["location"] == ITEM


async def test_a_link_never_leads_to_an_item_of_somebody_else(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(episode="theirs", therapist="t-2", client="c-2"))
    item = str(episode_named("theirs"))
    async with notifier.browser() as browser:
        await browser.post("/sign-in/link", data={"address": "t1@north.example", "item": item})
        answer = await browser.post("/sign-in", data={"token": await mailed_token(notifier)})
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("language", "heading"), [("en-GB,en;q=0.9", "Not found"), ("de-AT,de;q=0.9,en;q=0.5", "Nicht gefunden")]
)
async def test_an_unknown_address_answers_with_a_page_in_the_browsers_language(
    notifier: NotifierDriver, language: str, heading: str
) -> None:
    async with notifier.browser() as browser:
        for method, path, status in (("GET", "/nothing", 404), ("DELETE", "/sessions", 405)):
            page = await browser.request(method, path, headers={"accept-language": language})
            assert (page.status_code, f"<h1>{heading}</h1>" in page.text) == (status, True)
            assert page.headers["content-language"] == language[:2]


async def test_an_unknown_address_of_the_api_answers_with_a_problem(notifier: NotifierDriver) -> None:
    async with notifier.api_client() as client:
        answer = await client.get("/v1/nothing")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_a_value_that_is_too_long_answers_with_a_page(notifier: NotifierDriver) -> None:
    async with notifier.browser() as browser:
        page = await browser.get(f"/sign-in?token={'x' * 2001}")
    assert (page.status_code, "<h1>Please try again</h1>" in page.text) == (422, True)
