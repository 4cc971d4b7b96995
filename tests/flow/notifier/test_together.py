"""The view that therapist and client look at together: marks and own usual, and no word of a model."""

import re

import pytest

from schemas.events import Change, TrajectoryPoint
from tests.flow.notifier.test_pages import ITEM, signed_in
from tests.support.detector.episodes import NOW, WEEK, changed, facts_of_a_step
from tests.support.notifier.batch_driver import NotifierDriver

FORBIDDEN = {
    "en": ("risk", "alert", "model", "rupture", "detect", "certain", "likely", "of 10", "episode",
           "away from", "deteriorat", "simulated", "pattern", "warning", "lower than"),
    "de": ("risiko", "alarm", "modell", "bruch", "sicher", "wahrscheinlich", "von 10", "episode",
           "anders als", "verschlechter", "simuliert", "muster", "warnung", "niedriger"),
}  # fmt: skip


def visible(page: str) -> str:
    """What a page says, its pictures' text alternatives included."""
    return re.sub(r"<[^>]*>", " ", page[page.index("<body") :]).lower()


@pytest.mark.parametrize("language", FORBIDDEN)
async def test_it_shows_marks_and_one_question_without_a_word_of_a_model(
    notifier: NotifierDriver, language: str
) -> None:
    await notifier.add_therapist(locale=language)
    await notifier.handle(changed(facts=facts_of_a_step()))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        link = f"{ITEM}/together"
        assert f'href="{link}"' in (await browser.get(ITEM)).text
        page = (await browser.get(link)).text
    said = visible(page)
    assert [word for word in FORBIDDEN[language] if word in said] == []
    assert said.count("?") == 1
    assert 'class="band"' in page
    assert {"en": "the shaded band is", "de": "das helle band zeigt"}[language] in said


async def test_the_only_way_on_is_back(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(f"{ITEM}/together")).text
    assert re.findall(r'<a [^>]*href="([^"]*)"', page) == ["#content", ITEM]
    assert re.findall(r"<(?:form|button|input)", page) == []


async def test_all_rows_are_drawn_alike(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(facts=facts_of_a_step()))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(f"{ITEM}/together")).text
    assert page.count('class="row ') == page.count('data-strong="true"') == 3


@pytest.mark.parametrize("without_form", [True, False])
async def test_the_legend_names_what_is_drawn_and_nothing_else(
    notifier: NotifierDriver, *, without_form: bool
) -> None:
    points = [
        TrajectoryPoint(session_at=NOW - WEEK, bond=None if without_form else 0.8),
        TrajectoryPoint(session_at=NOW, bond=0.5),
    ]
    await notifier.handle(changed(trajectory=points, facts=None))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(f"{ITEM}/together")).text
    assert "Each dot is one form." in page
    assert ("The shaded band" in page, "is a session without a form" in page) == (False, without_form)


async def test_a_withdrawn_item_is_not_looked_at_together(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await notifier.handle(changed(Change.WITHDRAWN, 2))
        assert (await browser.get(f"{ITEM}/together")).status_code == 404
