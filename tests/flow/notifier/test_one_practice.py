"""No query of the pages or of the API gives another practice's rows, even where it asks for them."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from services.runtime.postgres.migrations import migrate
from tests.flow.notifier.test_caseload import assessed
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.flow.notifier.test_sharing import share
from tests.flow.notifier.test_strange_input import api_routes
from tests.support.composed_roles import as_role, composed_server
from tests.support.detector.episodes import NOW, WEEK, changed, facts_of_a_step
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.recorded_queries import Outcome, recording

CLIENT = "c-canary"
FORM = {"answer": "will-discuss", "topic": "goal", "language": "de", "mail": "on", "timing": "", "hour": ""}
SENT = {
    "/v1/therapists/t-1": {"address": "t1@north.example", "locale": "en", "time_zone": "UTC"},
    f"/v1/clients/{CLIENT}/next-session": {"therapist_id": "t-1", "at": None},
    "/cds-services/rapport-to-review": {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/t-1", "patientId": CLIENT},
    },
}
ENDS = ("/sessions/", "/sign-out")
"""Forms that end what others show: these come after all others, in this order, and before what deletes."""
ANSWERED_WITHOUT_ROWS = {"/healthz", "/sign-in/with/north", "/sign-in/with/north/callback"}
SHOWN = {
    *("answer", "assessed_session", "audit", "change", "decision", "delivery", "item", "session", "share"),
    *("sign_in_link", "therapist"),
}
"""The tables whose rows the requests show."""


def end_of(method: str, path: str) -> int:
    """Return when a request ends something; 0 for one that ends nothing."""
    if method == "DELETE":
        return len(ENDS) + 1
    return max((at for at, part in enumerate(ENDS, 1) if method == "POST" and part in path), default=0)


def requests(notifier: NotifierDriver, parts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return method and path of every route but the one that signs in, those that end something last."""
    asked = {
        (method, re.sub(r"{(\w+)}", lambda part: parts[part[1]], route.path))
        for route in api_routes(notifier.app.routes)
        for method in (route.methods or set()) - {"HEAD"}
    } - {("POST", "/sign-in")}
    # Sharing the item again ends the link that is opened here.
    return sorted(asked, key=lambda one: (end_of(*one), one[1] != "/shared", one))


def nothing_more() -> None:
    """Do nothing."""


async def ask_every_route(
    notifier: NotifierDriver,
    signed: Callable[[], None] = nothing_more,
    before_ends: Callable[[], None] = nothing_more,
) -> None:
    """Sign in, open every page, send every form, and call every route of the API as `north`.

    `signed` is called after the sign-in, and `before_ends` before the first request that ends something.
    """
    await notifier.handle_records([assessed("r-1", CLIENT, NOW - WEEK)])
    await notifier.handle(changed(client=CLIENT, facts=facts_of_a_step()))
    async with notifier.browser() as browser, notifier.api_client() as program:
        await signed_in(notifier, browser)
        ((session,),) = await notifier.rows("SELECT session_id::text FROM notifier.session")
        parts = {"episode": ITEM.rpartition("/")[2], "practice_id": "north", "name": "style.css"}
        parts |= {"therapist_id": "t-1", "client_id": CLIENT, "session_id": session}
        csrf = csrf_in(await browser.get(ITEM))
        fields = {**FORM, "csrf": csrf, "token": await share(browser, reference="yes")}
        signed()
        for method, path in requests(notifier, parts):
            if end_of(method, path) == 1:
                before_ends()
            client = program if path.startswith(("/v1/", "/cds-services")) else browser
            data = fields if method == "POST" and client is browser else None
            sent = SENT.get(path) if method in {"PUT", "POST"} else None
            answer = await client.request(method, path, data=data, json=sent)
            assert answer.status_code < 400 or path in ANSWERED_WITHOUT_ROWS, (method, path)


async def test_every_query_of_the_pages_and_the_api_gives_another_practice_nothing(
    notifier: NotifierDriver, empty_url: str
) -> None:
    own: dict[str, Outcome] = {}
    with recording("notifier") as recorded:
        await ask_every_route(
            notifier,
            recorded.unbound.clear,
            lambda: own.update(recorded.outcomes(notifier.url, "notifier", "north")),
        )
    assert recorded.unbound == []
    recorded.assert_bound(notifier.url, empty_url, "notifier")
    # They show something to their own practice, or this would tell nothing.
    nothing = recorded.outcomes(empty_url, "notifier", "north")
    telling = " ".join(query for query in own if own[query] != nothing[query])
    assert set(re.findall(r"(?:FROM|JOIN|UPDATE) notifier\.(\w+)", telling)) >= SHOWN


async def test_every_route_has_the_rights_that_it_needs_in_the_composed_stack(tmp_path: Path) -> None:
    with composed_server() as url, running(MailServer()) as mails:
        migrate(as_role(url, "operator"), "notifier")
        async with running_notifier(as_role(url, "notifier"), tmp_path, smtp_port=mails.port) as notifier:
            notifier.mail_server = mails
            await notifier.add_therapist()
            await ask_every_route(notifier)
