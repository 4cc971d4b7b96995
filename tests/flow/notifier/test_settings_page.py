"""The page of settings: what is set is shown again, holds at once, is audited, and is only one's own."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import httpx
import pytest

from services.notifier.channels.channel import MailTiming
from services.notifier.directory.store import PracticeOptions
from services.notifier.domain.mail_plan import MailHours
from tests.flow.notifier.test_pages import csrf_in, signed_in
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver

FORM = {"language": "de", "mail": "on", "timing": "daily", "hour": "9", "paused_until": "2026-12-01"}


@pytest.fixture
async def browser(notifier: NotifierDriver) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which the therapist is signed in."""
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        yield browser


async def save(browser: httpx.AsyncClient, form: dict[str, str]) -> httpx.Response:
    """Send the form with the page's own secret."""
    csrf = csrf_in(await browser.get("/settings"))
    return await browser.post("/settings", data={**form, "csrf": csrf}, follow_redirects=True)


def chosen(page: httpx.Response) -> list[str]:
    """The values that the page shows as set."""
    date_field = re.findall(r'type="date"[^>]* value="([^"]*)"', page.text)
    return re.findall(r'<option value="([^"]*)" selected>', page.text) + date_field


async def test_settings_are_shown_again_and_hold_for_pages_and_mail(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    before = await browser.get("/settings")
    assert chosen(before) == ["", "on", "", "", ""]
    assert "As your practice has set it: at once" in before.text
    after = await save(browser, FORM)
    assert (after.status_code, after.headers["content-language"]) == (200, "de")
    assert "Gespeichert" in after.text
    assert chosen(after) == ["de", "on", "daily", "9", "2026-12-01"]
    await notifier.handle(changed(episode="two", client="c-2"))
    ((due_at, reason),) = await notifier.rows(
        "SELECT due_at, due_reason FROM notifier.delivery WHERE state = 'pending'"
    )
    assert (due_at, reason) == (datetime(2026, 12, 1, 9, 0, tzinfo=UTC), "paused")
    kept = "SELECT language, mail_on, mail_timing, mail_hour, paused_until FROM notifier.own_settings"
    assert await notifier.rows(kept) == [("de", True, "daily", 9, date(2026, 12, 1))]
    audited = "SELECT practice_id, therapist_id FROM notifier.audit WHERE action = 'settings-changed'"
    assert await notifier.rows(audited) == [("north", "t-1")]


async def test_mail_that_waits_follows_the_new_settings(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    await save(browser, FORM)
    await notifier.handle(changed(episode="two", client="c-2"))
    await save(browser, {**FORM, "paused_until": "", "hour": "15"})
    (due,) = await notifier.rows("SELECT due_at FROM notifier.delivery WHERE state = 'pending'")
    assert due == (datetime(2026, 11, 19, 15, 0, tzinfo=UTC),)
    await save(browser, {**FORM, "mail": "off"})
    assert ("email", "cancelled", "switched-off") in await notifier.delivery_states()
    await notifier.handle(changed(episode="three", client="c-3"))
    assert ("opened", "email", "suppressed", "not-chosen") in await notifier.decisions()


async def test_the_practices_hours_hold_until_a_therapist_chooses_another(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    hours = MailHours(hour=10, before=48, quiet_from=18, quiet_until=9)
    await notifier.set_practice(PracticeOptions("north", mail_timing=MailTiming.DAILY, mail_hours=hours))
    page = await browser.get("/settings")
    assert "As your practice has set it: 10:00" in page.text
    assert "48 hours before a session" in page.text
    assert re.findall(r'<option value="(\d+)"', page.text) == [str(hour) for hour in range(9, 18)]
    # What is saved beside it does not choose the hour.
    form = {**FORM, "language": "en", "timing": "daily", "paused_until": ""}
    assert chosen(await save(browser, {**form, "hour": ""})) == ["en", "on", "daily", "", ""]
    await notifier.handle(changed(episode="two", client="c-2"))
    due = "SELECT due_at FROM notifier.delivery WHERE state = 'pending'"
    assert await notifier.rows(due) == [(datetime(2026, 11, 19, 10, 0, tzinfo=UTC),)]
    assert chosen(await save(browser, {**form, "hour": "17"}))[3] == "17"
    assert await notifier.rows(due) == [(datetime(2026, 11, 19, 17, 0, tzinfo=UTC),)]


async def test_a_value_that_is_not_offered_changes_nothing(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    answer = await save(browser, {**FORM, "hour": "3"})
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
    assert await notifier.rows("SELECT FROM notifier.own_settings") == []


async def test_a_form_without_its_secret_and_a_visitor_change_nothing(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    assert (await browser.post("/settings", data={**FORM, "csrf": "0" * 64})).status_code == 403
    async with notifier.browser() as nobody:
        for answer in (await nobody.get("/settings"), await nobody.post("/settings", data=FORM)):
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert await notifier.rows("SELECT FROM notifier.own_settings") == []


async def test_a_therapist_without_mail_is_told_so_and_can_still_choose_a_language(
    notifier: NotifierDriver, browser: httpx.AsyncClient
) -> None:
    await notifier.add_therapist(quiet=True)
    page = await browser.get("/settings")
    assert "sends you no mail" in page.text
    assert (await save(browser, FORM)).headers["content-language"] == "de"
