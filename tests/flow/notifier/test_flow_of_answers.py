"""What a page says after an answer, after taking it back, and after a later session."""

import re
from datetime import timedelta

import httpx
import pytest

from schemas.events import Answer, Change, TalkedAbout
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.support.detector.episodes import NOW, WEEK, changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.schemas.whole_dates import whole_dates


async def send(browser: httpx.AsyncClient, part: str, **fields: str) -> httpx.Response:
    """Send one of the item's forms, and return the page that follows."""
    csrf = csrf_in(await browser.get(ITEM))
    sent = await browser.post(f"{ITEM}/{part}", data={**fields, "csrf": csrf})
    assert sent.status_code == 303
    return await browser.get(sent.headers["location"])


async def test_a_confirmation_with_undo_stands_on_top_and_takes_the_focus(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await send(browser, "answers", answer="will-discuss")).text
        plain = (await browser.get(ITEM)).text
    confirmation = page[page.index('id="confirmation"') : page.index("<h1")]
    assert 'tabindex="-1"' in page
    assert "Your answer: I will bring it up" in confirmation
    assert 'value="undone"' in confirmation
    assert 'id="confirmation"' not in plain


async def test_an_answer_that_was_taken_back_leaves_the_item_waiting(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await send(browser, "answers", answer="discussed")
        await notifier.handle(changed(Change.ACKNOWLEDGED, 2))
        answered = (await browser.get("/")).text
        page = (await send(browser, "answers", answer="undone")).text
        waiting = (await browser.get("/")).text
    assert answered.index("Earlier") < answered.index(ITEM)
    assert "The item is waiting again" in page
    assert 'class="state"' not in page
    assert 'value="discussed"' in page
    assert "Earlier" not in waiting
    assert ITEM in waiting


async def test_the_history_dates_answers_by_the_click_and_changes_by_the_session(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        notifier.advance(timedelta(minutes=5))
        await send(browser, "answers", answer="discussed")
        await notifier.handle(changed(Change.ACKNOWLEDGED, 2))
        notifier.advance(timedelta(minutes=5))
        page = (await send(browser, "answers", answer="undone")).text
    lines = re.findall(r'<li><span class="quiet">(.*?)</span> (.*?)</li>', page)
    assert lines == [
        (whole_dates("Wed 18 Nov, 10:00"), "The ratings moved away from what is usual."),
        (whole_dates("Wed 18 Nov, 12:05"), "You answered: We talked about it."),
        (whole_dates("Wed 18 Nov, 12:10"), "You took your answer back."),
    ]


@pytest.mark.parametrize(
    "closing", [Change.REPAIRED, Change.SETTLED, Change.UNREPAIRED, Change.ENDED, Change.WITHDRAWN]
)
async def test_a_closed_item_without_an_answer_is_not_among_those_that_wait(
    notifier: NotifierDriver, closing: Change
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await notifier.handle(changed(closing, 2, session_at=NOW + WEEK))
        page = (await browser.get("/")).text
    assert page.index("Earlier") < page.index(ITEM)


async def test_after_a_later_session_the_item_asks_once_what_they_talked_about(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        answered = (await send(browser, "answers", answer="will-discuss")).text
        await notifier.handle(changed(Change.CONTINUED, 2, session_at=NOW + WEEK))
        asked = (await browser.get(ITEM)).text
        told = (await send(browser, "topics", topic="pace")).text
        later = (await browser.get(ITEM)).text
    assert [page.count("Did you talk about it?") for page in (answered, asked, told, later)] == [0, 1, 0, 0]
    assert "Noted: Yes, about the pace" in told
    assert [(one.answer_revision, one.answer, one.topic) for one in notifier.answers()] == [
        (1, Answer.WILL_DISCUSS, None),
        (2, Answer.WILL_DISCUSS, TalkedAbout.PACE),
    ]


async def test_what_they_talked_about_can_be_taken_back(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await send(browser, "answers", answer="discussed")
        await notifier.handle(changed(Change.REPAIRED, 2, session_at=NOW + WEEK))
        told = (await send(browser, "topics", topic="goal")).text
        page = (await send(browser, "topics", topic="")).text
    asked = [("Did you talk about it?" in one, "Nothing is asked of you" in one) for one in (told, page)]
    assert asked == [(False, True), (True, False)]
    assert [one.topic for one in notifier.answers()] == [None, TalkedAbout.GOAL, None]
    actions = [one for (one,) in await notifier.rows("SELECT action FROM notifier.audit ORDER BY audit_id")]
    assert [one for one in actions if one in {"answered", "talked-about"}] == [
        "answered",
        "talked-about",
        "talked-about",
    ]


@pytest.mark.parametrize("answer", ["not-relevant", "outside-event"])
async def test_where_it_did_not_apply_nothing_more_is_asked(notifier: NotifierDriver, answer: str) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await send(browser, "answers", answer=answer)
        await notifier.handle(changed(Change.CONTINUED, 2, session_at=NOW + WEEK))
        assert "Did you talk about it?" not in (await browser.get(ITEM)).text


async def test_an_unknown_topic_is_not_stored(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        answer = await browser.post(f"{ITEM}/topics", data={"topic": "weather", "csrf": csrf})
    assert (answer.status_code, notifier.published) == (404, [])


async def test_from_five_messages_on_the_list_says_what_came_of_them(notifier: NotifierDriver) -> None:
    names = ("one", "two", "three", "four")
    for name in names:
        await notifier.handle(changed(episode=name, client=f"c-{name}"))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        assert "Of your" not in (await browser.get("/")).text
        await notifier.handle(changed(episode="five", client="c-five"))
        await send(browser, "answers", answer="discussed")
        await notifier.handle(changed(Change.REPAIRED, 2, episode="two", client="c-two"))
        page = (await browser.get("/")).text
    assert "Of your 5 messages, 1 talked about, 1 back at usual." in page


async def test_the_list_has_what_waits_first(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(), changed(episode="two", client="c-2"), changed(Change.REPAIRED, 2))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get("/")).text
    waiting, earlier = page.split("Earlier")
    assert str(episode_named("two")) in waiting
    assert "Goals 4.9, usually 8.6" in waiting
    assert 'class="state"' not in waiting
    assert str(episode_named("one")) in earlier
    assert "Back to usual" in earlier
