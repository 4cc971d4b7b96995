"""A practice that hides its references: a running number stands on every page instead of them."""

import asyncio
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from psycopg import AsyncConnection

from schemas.events import Change, Status
from services.notifier.cli.plugin import put_tenant
from services.notifier.directory.store import PracticeOptions
from services.notifier.inbox.client_numbers import number_clients
from services.notifier.web.missing_pages import FOR_PROGRAMS
from services.runtime.process.cli_plugin import Tenant
from tests.flow.notifier.test_caseload import assessed
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.flow.notifier.test_sharing import share
from tests.flow.notifier.test_strange_input import api_routes
from tests.support.detector.episodes import NOW, WEEK, changed, facts_of_a_step
from tests.support.notifier.batch_driver import NotifierDriver

SECRET = "Canary-9041"
HIDDEN = PracticeOptions("north", shows_reference=False)
NUMBER = {"en": "Client no. 1", "de": "Klient/in Nr. 1"}
AFTER = (None, Change.CONTINUED, Change.REPAIRED, Change.WITHDRAWN)
"""What happens to the item between two walks through all pages."""


@pytest.fixture
async def browser(notifier: NotifierDriver) -> AsyncIterator[httpx.AsyncClient]:
    """The browser of a therapist of a practice that hides its references."""
    await notifier.set_practice(HIDDEN)
    await notifier.handle_records([assessed("r-1", "c-b", NOW - WEEK), assessed("r-2", "c-a")])
    await notifier.handle(changed(client="c-b", facts=facts_of_a_step()))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        yield browser


async def walk(
    notifier: NotifierDriver, browser: httpx.AsyncClient, language: str
) -> dict[tuple[str, str], str]:
    """Open and send every route that browsers use; return what each said, its headers included.

    A route with a part in its path that is unknown here fails: give it a value below.
    """
    withdrawn = 'id="share"' not in (await browser.get(ITEM)).text
    token = "" if withdrawn else await share(browser, reference="yes")
    parts = {"episode": ITEM.rpartition("/")[2], "session_id": uuid4(), "practice_id": "north"}
    fields = {
        "csrf": csrf_in(await browser.get("/settings")),
        "token": token,
        "reference": SECRET,
        "answer": "will-discuss",
        "topic": "pace",
        "address": "t1@north.example",
        "item": parts["episode"],
        "language": language,
        "mail": "on",
        "timing": "daily",
        "hour": "9",
        "paused_until": "",
    }
    routes = [
        (method, route.path)
        for route in api_routes(notifier.app.routes)
        if not route.path.startswith(FOR_PROGRAMS)
        for method in route.methods or ()
    ]
    # The shared link is opened before another one takes its place, pages after the forms that change them;
    # signing out comes last.
    routes.sort(reverse=True)
    routes.sort(key=lambda one: (one[1] == "/sign-out", one[0] != "POST", one[1] != "/shared"))
    said = {}
    for method, path in routes:
        address = re.sub(r"{(\w+)}", lambda part: str(parts[part[1]]), path)
        query = None if method == "POST" else {"token": token, "saved": "1", "page": "1"}
        answer = await browser.request(
            method, address, params=query, data=fields if method == "POST" else None
        )
        assert answer.status_code < 500, (method, path)
        said[method, path] = f"{answer.text} {answer.headers}"
    said["GET", "missing"] = (await browser.get(f"/{SECRET}")).text
    return said


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("hidden", [True, False])
async def test_no_route_says_the_reference_when_it_is_hidden(
    notifier: NotifierDriver, language: str, *, hidden: bool
) -> None:
    await notifier.set_practice(PracticeOptions("north", shows_reference=not hidden))
    await notifier.add_therapist(locale=language)
    await notifier.handle_records([assessed("r-1", SECRET, NOW - WEEK)])
    await notifier.handle(changed(client=SECRET, facts=facts_of_a_step()))
    naming, numbered = set(), set()
    for revision, after in enumerate(AFTER, 1):
        if after is not None:
            moved = changed(after, revision, client=SECRET, session_at=NOW + revision * WEEK)
            await notifier.handle(moved)
        async with notifier.browser() as browser:
            await browser.post("/sign-in/link", data={"address": "t1@north.example"})
            await signed_in(notifier, browser)
            said = await walk(notifier, browser, language)
        naming |= {route for route, text in said.items() if SECRET.lower() in text.lower()}
        numbered |= {route for route, text in said.items() if NUMBER[language] in text}
    mails = b"".join(notifier.mail_server.raw)
    assert (len(notifier.mail_server.raw) > 2, SECRET.encode() in mails) == (True, False)
    named_on = {("GET", "/"), ("GET", "/items/{episode}"), ("POST", "/shared")}
    by_row = {("GET", "/caseload"), ("POST", "/caseload")}
    assert naming == (set() if hidden else named_on | by_row)
    assert numbered - by_row == (named_on if hidden else set())


async def test_clients_are_listed_and_found_by_number_and_by_the_whole_reference(
    browser: httpx.AsyncClient,
) -> None:
    async def rows(wanted: str | None = None) -> list[str]:
        page = await (
            browser.get("/caseload")
            if wanted is None
            else browser.post("/caseload", data={"reference": wanted})
        )
        assert 'value="c-' not in page.text
        return re.findall(r'<th scope="row">([^<]+)</th>', page.text)

    # In the order in which they first came, which says nothing about the reference.
    assert await rows() == ["No. 1", "No. 2"]
    assert await rows("C-A") == ["No. 2"]
    assert [await rows(text) for text in ("2", "No. 2", "nr 2", "#2")] == [["No. 2"]] * 4
    assert [await rows(text) for text in ("c-", "a", "3")] == [[]] * 3
    assert "Open item of client no. 1" in (await browser.get("/caseload")).text


async def test_numbers_stay_and_that_of_an_erased_client_is_not_given_again(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    assert "No. 2" in (await browser.get("/caseload")).text
    await notifier.handle_records(
        [
            assessed("r-2", "c-a", mark=None, revision=2, status=Status.WITHDRAWN),
            assessed("r-3", "c-new", NOW - 9 * WEEK),
        ]
    )
    assert "No. 3" in (await browser.get("/caseload")).text
    async with await AsyncConnection.connect(notifier.url) as conn:
        for table in ("client_number", "assessed_session"):
            await conn.execute(f"DELETE FROM notifier.{table} WHERE client_id = 'c-new'")
    await notifier.handle_records(
        [assessed("r-2", "c-a", revision=3), assessed("r-4", "c-last"), assessed("r-5", therapist="t-2")]
    )
    page = (await browser.get("/caseload")).text
    assert re.findall(r">(No\. \d+)<", page) == ["No. 1", "No. 2", "No. 4"]
    async with await AsyncConnection.connect(notifier.url) as conn:
        assert await number_clients(conn, "north", "t-2", ["c-1"]) == {"c-1": 1}


async def test_pages_that_open_at_the_same_time_give_every_client_one_number(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    await notifier.handle_records([assessed(f"n-{count}", f"c-{count}") for count in range(20)])

    async def numbers() -> dict[str, int]:
        async with await AsyncConnection.connect(notifier.url) as conn:
            found = await number_clients(conn, "north", "t-1", [f"c-{count}" for count in range(20)])
            await asyncio.sleep(0)
        return found

    first, *others = await asyncio.gather(*(numbers() for _ in range(5)))
    assert len(set(first.values())) == 20
    assert others == [first] * 4


async def test_an_item_and_its_history_are_the_same_beside_the_number(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    numbered = (await browser.get(ITEM)).text
    await notifier.set_practice(PracticeOptions("north"))
    named = (await browser.get(ITEM)).text
    words = {"Client c-b": "Client no. 1", "s reference too": "s number too"}
    changes = set(zip(named.splitlines(), numbered.splitlines(), strict=True))
    changes = {(before, after) for before, after in changes if before != after}
    assert len(changes) == 3
    for word, other in words.items():
        changes = {(before.replace(word, other), after) for before, after in changes}
    assert all(before == after for before, after in changes)


async def test_the_option_is_refused_beside_a_link_that_holds_the_reference(notifier: NotifierDriver) -> None:
    template = "https://records.example/{client_id}"
    async with await AsyncConnection.connect(notifier.url) as conn:

        async def set_options(**options: str) -> None:
            await put_tenant(conn, Tenant("north", NOW, options))

        with pytest.raises(ValueError, match="show_reference: expected yes or no"):
            await set_options(show_reference="perhaps")
        await set_options(client_url_template=template)
        with pytest.raises(ValueError, match="set client_url_template to nothing"):
            await set_options(show_reference="no")
        await set_options(show_reference="no", client_url_template="")
        with pytest.raises(ValueError, match="show_reference to yes"):
            await set_options(client_url_template=template)
        await set_options(messages="off")
    assert await notifier.rows("SELECT reference_shown, told FROM notifier.practice") == [(False, False)]
