"""The pages: a link's life, who sees what, and an answer on its way back to the detector."""

import re
from datetime import timedelta
from importlib.resources import files

import httpx
import pytest

from schemas.events import Answer, Change
from schemas.topics import THERAPIST_RESPONDED
from services.notifier.directory.store import PracticeOptions
from services.notifier.web.security import COOKIE
from tests.support.detector.episodes import changed, episode_named, key_of
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.schemas.whole_dates import whole_dates

ITEM = f"/items/{episode_named('one')}"


async def mailed_token(notifier: NotifierDriver) -> str:
    """The token in the newest mail."""
    await notifier.run_due_jobs()
    body = notifier.mail_server.mails[-1].get_body(("plain",))
    assert body is not None
    found = re.search(r"sign-in\?token=(\S+)", body.get_content())
    assert found is not None
    return found.group(1)


async def signed_in(notifier: NotifierDriver, browser: httpx.AsyncClient) -> httpx.Response:
    """Press the button behind the mailed link."""
    return await browser.post("/sign-in", data={"token": await mailed_token(notifier)})


def csrf_in(page: httpx.Response) -> str:
    """The form's secret on a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found.group(1)


async def test_opening_a_link_any_number_of_times_does_not_use_it(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    token = await mailed_token(notifier)
    async with notifier.browser() as browser:
        for _ in range(3):
            assert (await browser.head(f"/sign-in?token={token}")).status_code == 200
            assert "press" not in (await browser.get(f"/sign-in?token={token}")).text
        assert (await browser.post("/sign-in", data={"token": token})).status_code == 303


async def test_the_button_leads_to_the_item_and_works_once(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        first = await signed_in(notifier, browser)
        assert first.headers["location"] == ITEM
        second = await browser.post("/sign-in", data={"token": await mailed_token(notifier)})
        assert (second.status_code, "has already been used" in second.text) == (410, True)


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        cookie = (await signed_in(notifier, browser)).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))


async def test_an_expired_link_offers_a_new_one_which_is_mailed(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    token = await mailed_token(notifier)
    notifier.advance(timedelta(days=15))
    async with notifier.browser() as browser:
        page = await browser.post("/sign-in", data={"token": token})
        assert (page.status_code, "Send me a new link" in page.text) == (410, True)
        await browser.post("/sign-in/link", data={"token": token})
        assert (await signed_in(notifier, browser)).headers["location"] == ITEM
    assert await notifier.rows("SELECT purpose FROM notifier.delivery WHERE purpose = 'sign-in'") == [
        ("sign-in",)
    ]


async def test_a_forged_token_opens_nothing(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    token = await mailed_token(notifier)
    async with notifier.browser() as browser:
        page = await browser.post("/sign-in", data={"token": token[:-2] + "xx"})
    assert (page.status_code, "not one of our links" in page.text) == (410, True)


async def test_asking_for_a_link_answers_the_same_for_a_known_and_an_unknown_address(
    notifier: NotifierDriver,
) -> None:
    async with notifier.browser() as browser:
        known = await browser.post("/sign-in/link", data={"address": "T1@north.example"})
        unknown = await browser.post("/sign-in/link", data={"address": "nobody@north.example"})
    assert known.text == unknown.text
    await notifier.run_due_jobs()
    assert notifier.mail_server.recipients == ["t1@north.example"]


async def test_the_item_shows_whose_what_moved_and_how_sure(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(time_zone="Europe/Vienna")
    await notifier.set_practice(
        PracticeOptions("north", client_url_template="https://records.example/clients/{client_id}/notes")
    )
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(ITEM)).text
    assert "<h1>Client c-canary-77</h1>" in page
    assert whole_dates("Session on Wed 18 Nov, 11:00") in page
    assert 'href="https://records.example/clients/c-canary-77/notes"' in page
    assert whole_dates("at the last form (18 Nov) 4.9, where about 8.6") in page
    assert "<svg" in page
    assert "Only you see this page, unless you share an item." in page
    style = files("services.notifier.web") / "static" / "style.css"
    assert len(page.encode()) + len(style.read_bytes()) < 40_000


async def test_the_guide_is_there_without_an_alert_and_only_behind_the_sign_in(
    notifier: NotifierDriver,
) -> None:
    await notifier.add_therapist(locale="de-CH")
    async with notifier.browser() as browser:
        assert (await browser.get("/guide")).headers["location"].endswith("/sign-in")
        await notifier.handle(changed())
        await signed_in(notifier, browser)
        page = (await browser.get("/guide")).text
    assert "Sitzung 1 bis 3: ein guter Anfang" in page
    assert page.count("<details") == 25
    assert "ß" not in page
    assert len(page.encode()) < 40_000


async def test_the_item_speaks_tentatively(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(ITEM)).text.lower()
    assert [word for word in ("rupture", "detected", "alert", "failed", "your fault") if word in page] == []


async def test_an_answer_is_published_with_the_records_key_and_partition(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        answered = await browser.post(f"{ITEM}/answers", data={"answer": "will-discuss", "csrf": csrf})
        assert answered.headers["location"] == f"{ITEM}?saved=1#confirmation"
        assert "Your answer: I will bring it up" in (await browser.get(ITEM)).text
    (out,) = notifier.published
    assert (THERAPIST_RESPONDED.name, 3, key_of(changed())) == (out.topic, out.partition, out.key)
    (event,) = notifier.answers()
    assert (event.answer, event.answer_revision, event.client_id) == (Answer.WILL_DISCUSS, 1, "c-canary-77")


async def test_undoing_an_answer_is_a_newer_revision(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        for answer in ("discussed", "discussed", "undone", "undone", "not-relevant"):
            await browser.post(f"{ITEM}/answers", data={"answer": answer, "csrf": csrf})
    assert [(one.answer_revision, one.answer) for one in notifier.answers()] == [
        (1, Answer.DISCUSSED),
        (2, Answer.UNDONE),
        (3, Answer.NOT_RELEVANT),
    ]


async def test_an_answer_without_the_forms_secret_is_refused(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        refused = await browser.post(f"{ITEM}/answers", data={"answer": "discussed", "csrf": "0" * 64})
    assert refused.status_code == 403
    assert notifier.published == []


async def test_a_form_that_another_site_sends_is_refused(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        refused = await browser.post(
            f"{ITEM}/answers",
            data={"answer": "discussed", "csrf": csrf},
            headers={"sec-fetch-site": "cross-site"},
        )
    assert refused.status_code == 403


async def test_another_therapists_item_does_not_exist(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(therapist_id="t-2", address="t2@north.example")
    await notifier.handle(changed(episode="theirs", therapist="t-2", client="c-2"))
    await notifier.handle(changed())
    theirs = f"/items/{episode_named('theirs')}"
    await notifier.run_due_jobs()
    ((mine,),) = await notifier.rows("SELECT link_id FROM notifier.sign_in_link WHERE therapist_id = 't-1'")
    async with notifier.browser() as browser:
        await browser.post("/sign-in", data={"token": notifier.components.links.token(mine)})
        csrf = csrf_in(await browser.get(ITEM))
        seen, absent = await browser.get(theirs), await browser.get(f"/items/{episode_named('none')}")
        answered = await browser.post(f"{theirs}/answers", data={"answer": "discussed", "csrf": csrf})
    assert (seen.status_code, absent.status_code, answered.status_code) == (404, 404, 404)
    assert absent.text == seen.text


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/", "/sign-in"),
        ("/sessions", "/sign-in"),
        (ITEM, f"/sign-in?item={episode_named('one')}"),
        ("/items/none", "/sign-in"),
    ],
)
async def test_without_a_session_there_is_only_the_sign_in(
    notifier: NotifierDriver, path: str, leads_to: str
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)


async def test_a_session_ends_by_signing_out_and_by_time(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        cookie = browser.cookies[COOKIE]
        await browser.post("/sign-out", data={"csrf": csrf_in(await browser.get(ITEM))})
        browser.cookies.set(COOKIE, cookie)
        assert (await browser.get(ITEM)).status_code == 303
    await notifier.handle(changed(Change.DEEPENED, 2))
    async with notifier.browser() as browser:
        token = await mailed_token(notifier)
        await browser.post("/sign-in", data={"token": token})
        for _ in range(24):
            notifier.advance(timedelta(minutes=29))
            assert (await browser.get(ITEM)).status_code == 200
        notifier.advance(timedelta(minutes=25))
        assert (await browser.get(ITEM)).status_code == 303


async def test_a_withdrawn_item_says_so_and_asks_nothing(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await notifier.handle(changed(Change.WITHDRAWN, 2))
        page = (await browser.get(ITEM)).text
    assert "was corrected or withdrawn" in page
    assert "4.9" not in page
    assert "/answers" not in page


async def test_every_page_forbids_scripts_and_foreign_sources(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        for path in ("/", ITEM, "/sign-in", "/items/none", "/sessions", "/nothing"):
            page = await browser.get(path)
            policy = page.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert page.headers["cache-control"] == "no-store"
            assert re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//', page.text) == []
            assert "<script" not in page.text
            assert " style=" not in page.text


async def test_who_viewed_and_answered_what_is_a_row(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        await browser.get("/")
        await browser.post(f"{ITEM}/answers", data={"answer": "discussed", "csrf": csrf})
    actions = [one for (one,) in await notifier.rows("SELECT action FROM notifier.audit ORDER BY audit_id")]
    assert actions == ["therapist-stored", "signed-in", "item-viewed", "list-viewed", "answered"]


async def test_what_a_client_is_called_cannot_break_the_page(notifier: NotifierDriver) -> None:
    await notifier.set_practice(
        PracticeOptions("north", client_url_template="https://records.example/{client_id}")
    )
    await notifier.handle(changed(client='"><script>x</script>'))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(ITEM)).text
    assert "<script" not in page
    assert "%22%3E%3Cscript%3E" in page
