"""A therapist shares one item by a link: what it shows, who opened it, and when it ends."""

import re
from datetime import timedelta

import httpx
import pytest
from psycopg import AsyncConnection

from services.notifier.directory_changes import remove_therapist
from services.notifier.inbox.shares import SHARE_LASTS
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.support.detector.episodes import changed, facts_of_a_step
from tests.support.notifier.batch_driver import NotifierDriver

CLIENT = "client-of-north"


@pytest.fixture
async def browser(notifier: NotifierDriver) -> httpx.AsyncClient:
    """The browser of a therapist who is signed in and has one item."""
    await notifier.handle(changed(client=CLIENT, facts=facts_of_a_step()))
    browser = notifier.browser()
    await signed_in(notifier, browser)
    return browser


async def share(browser: httpx.AsyncClient, **fields: str) -> str:
    """Press the button, and return the token of the link that the item's page then shows."""
    csrf = csrf_in(await browser.get(ITEM))
    answer = await browser.post(f"{ITEM}/share", data={"csrf": csrf, **fields})
    assert answer.headers["location"] == f"{ITEM}#share"
    found = re.search(
        r'value="http://rapport\.example/shared\?token=([^"]+)"', (await browser.get(ITEM)).text
    )
    return found[1] if found else ""


async def opened(notifier: NotifierDriver, token: str) -> httpx.Response:
    """What somebody reads who has the link and no account."""
    async with notifier.browser() as supervisor:
        return await supervisor.post("/shared", data={"token": token})


async def audited(notifier: NotifierDriver) -> list[str]:
    rows = await notifier.rows(
        "SELECT action FROM notifier.audit WHERE starts_with(action, 'share') ORDER BY at"
    )
    return [action for (action,) in rows]


async def test_the_shared_view_is_read_only_and_names_no_client(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    token = await share(browser)
    page = await opened(notifier, token)
    assert page.status_code == 200
    assert CLIENT not in page.text
    assert "where about" in page.text
    assert re.findall(r"<(?:form|button|input)", page.text) == []
    assert CLIENT in (await opened(notifier, await share(browser, reference="yes"))).text


async def test_only_a_pressed_button_opens_it_and_every_opening_is_audited(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    token = await share(browser)
    async with notifier.browser() as scanner:
        seen = await scanner.get(f"/shared?token={token}")
        await scanner.head(f"/shared?token={token}")
    assert (seen.status_code, "where about" in seen.text) == (200, False)
    assert await audited(notifier) == ["shared"]
    assert "Nobody has opened it yet" in (await browser.get(ITEM)).text
    for _ in range(2):
        await opened(notifier, token)
    assert await audited(notifier) == ["shared", "share-opened", "share-opened"]
    assert "Opened so far: 2." in (await browser.get(ITEM)).text


async def test_the_page_says_that_only_the_therapist_sees_it_unless_they_share_it(
    browser: httpx.AsyncClient,
) -> None:
    assert "Only you see this page, unless you share an item." in (await browser.get(ITEM)).text
    await share(browser)
    page = (await browser.get(ITEM)).text
    assert ("Only you see" in page, "You share this item by a link until" in page) == (False, True)


async def test_a_link_ends_after_three_days_when_it_is_ended_and_when_another_is_made(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    first = await share(browser)
    second = await share(browser)
    assert (await opened(notifier, first)).status_code == 410
    assert (await opened(notifier, second)).status_code == 200
    assert await share(browser, end="yes") == ""
    assert (await opened(notifier, second)).status_code == 410
    third = await share(browser)
    notifier.advance(SHARE_LASTS - timedelta(seconds=1))
    assert (await opened(notifier, third)).status_code == 200
    notifier.advance(timedelta(seconds=1))
    gone = await opened(notifier, third)
    assert (gone.status_code, "no longer works" in gone.text) == (410, True)
    assert "share-ended" in await audited(notifier)


async def test_a_link_ends_with_the_access_of_its_therapist(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    token = await share(browser)
    async with await AsyncConnection.connect(notifier.url) as conn:
        await remove_therapist(conn, "north", "t-1", notifier.clock.now(), actor="a test")
    await notifier.add_therapist()
    assert (await opened(notifier, token)).status_code == 410


async def test_nobody_shares_an_item_of_another_therapist_or_without_the_form(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    assert (await browser.post(f"{ITEM}/share", data={"csrf": "0"})).status_code == 403
    await notifier.add_therapist(therapist_id="t-2", address="t2@north.example")
    await notifier.handle(changed(episode="two", therapist="t-2"))
    async with notifier.browser() as other:
        await signed_in(notifier, other)
        csrf = csrf_in(await other.get("/settings"))
        assert (await other.post(f"{ITEM}/share", data={"csrf": csrf})).status_code == 404
        assert (await notifier.browser().post(f"{ITEM}/share", data={"csrf": csrf})).status_code == 303
    assert await notifier.rows("SELECT FROM notifier.share") == []


@pytest.mark.parametrize("token", ["", "nonsense", "ImFiYyI.AAAA"])
async def test_a_token_that_is_not_ours_opens_nothing(notifier: NotifierDriver, token: str) -> None:
    assert (await opened(notifier, token)).status_code == 410


async def test_the_view_is_in_the_therapists_language(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(locale="de-CH")
    await notifier.handle(changed(client=CLIENT, facts=facts_of_a_step()))
    browser = notifier.browser()
    await signed_in(notifier, browser)
    assert "ausser Sie teilen einen Hinweis" in (await browser.get(ITEM)).text
    page = await opened(notifier, await share(browser))
    assert 'lang="de"' in page.text
    assert "Ein Hinweis, der mit Ihnen geteilt wurde" in page.text
