"""No page and no route shows another practice's rows, even where its queries ask for that practice."""

import re
from collections.abc import Mapping
from uuid import uuid4

import httpx
import pytest
from psycopg import AsyncConnection

from services.notifier.directory.store import Connection, find_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.web import page_context, share_pages
from services.runtime.postgres import tenant_guard
from tests.flow.notifier.test_caseload import assessed
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.flow.notifier.test_sharing import share
from tests.flow.notifier.test_strange_input import api_routes
from tests.support.detector.episodes import NOW, WEEK, changed, facts_of_a_step
from tests.support.notifier.batch_driver import NotifierDriver

CLIENT, ADDRESS = "c-canary", "canary@north.example"
SOUTH_INSTEAD = "SELECT set_config('rapport.practice', 'south' || left(%s, 0), true)"
NOBODY_INSTEAD = "SELECT set_config('rapport.practice', left(%s, 0), true)"
ABOUT_ITS_PRACTICE = {
    *("/", "/caseload", ITEM, f"{ITEM}/together", "/shared"),
    *("/v1/notifications", "/v1/balance", "/v1/therapists/t-1"),
}
"""What shows rows of `north` to those whom they are for."""
LEFT_OUT = {"/sign-out", "/sign-in", "/sign-in/link", "/settings"}
"""Forms that would end the walk, or that write the therapist's own row."""


async def walk(notifier: NotifierDriver, browser: httpx.AsyncClient, fields: Mapping[str, str]) -> set[str]:
    """Open every page and send every form as `north`'s therapist, and ask every route with its key.

    Returns:
        The paths that said something of `north`.
    """
    parts = {"episode": ITEM.rpartition("/")[2], "session_id": str(uuid4()), "practice_id": "north"}
    parts |= {"therapist_id": "t-1", "client_id": CLIENT, "name": "style.css"}
    routes = [
        (method, re.sub(r"{(\w+)}", lambda part: parts[part[1]], route.path))
        for route in api_routes(notifier.app.routes)
        for method in (route.methods or set()) - {"HEAD", "PUT", "DELETE"}
    ]
    # Sharing the item again ends the link that the walk opens.
    routes.sort(key=lambda one: (one[1] != "/shared", one))
    named = set()
    async with notifier.api_client() as program:
        for method, path in routes:
            if method == "POST" and path in LEFT_OUT:
                continue
            client = program if path.startswith("/v1/") else browser
            answer = await client.request(method, path, data=fields if method == "POST" else None)
            assert answer.status_code < 500 or path in {"/healthz", "/readyz"}, (method, path)
            item_is_shown = path in {ITEM, f"{ITEM}/together"} and answer.status_code == 200
            is_counted = path == "/v1/balance" and re.search("[1-9]", answer.text)
            words = (CLIENT, ADDRESS, '"episode_id"')
            if item_is_shown or is_counted or any(word in answer.text for word in words):
                named.add(path)
    return named


async def test_no_page_shows_another_practices_rows(
    notifier: NotifierDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await notifier.add_therapist(address=ADDRESS)
    await notifier.handle_records([assessed("r-1", CLIENT, NOW - WEEK)])
    await notifier.handle(changed(client=CLIENT, facts=facts_of_a_step()))

    async def found_with_all_rights(_conn: Connection, practice: str, therapist: str) -> Therapist | None:
        async with await AsyncConnection.connect(notifier.url) as conn:
            return await find_therapist(conn, practice, therapist)

    async def nothing_logged(*_row: object, **_fields: object) -> None:
        """Let the page be answered: PostgreSQL would refuse the row in the log, and with it the page."""

    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        fields = {
            "csrf": csrf_in(await browser.get("/settings")),
            "token": await share(browser, reference="yes"),
            "reference": "",
            "answer": "will-discuss",
        }
        assert await walk(notifier, browser, fields) == ABOUT_ITS_PRACTICE
        fields["token"] = await share(browser, reference="yes")
        # From here on the queries ask for `north`, and only PostgreSQL knows better. Without a therapist, no
        # page would come to its queries.
        for pages in (page_context, share_pages):
            monkeypatch.setattr(pages, "find_therapist", found_with_all_rights)
            monkeypatch.setattr(pages, "write_audit_row", nothing_logged)
        for instead in (SOUTH_INSTEAD, NOBODY_INSTEAD):
            monkeypatch.setattr(tenant_guard, "_ACT_FOR", instead)
            assert await walk(notifier, browser, fields) == set()
        monkeypatch.undo()
        fields["token"] = await share(browser, reference="yes")
        assert await walk(notifier, browser, fields) == ABOUT_ITS_PRACTICE
