"""A therapist with a real browser: from the mailed link to an answer, on a desk and on a telephone."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from schemas.events import Change
from tests.browser.conftest import Site, Visit, item_of
from tests.support.detector.episodes import NOW, WEEK, changed
from tests.support.notifier.chromium import DESK, PHONE, page_width

pytestmark = pytest.mark.browser


def press(page: Page, text: str) -> None:
    """Press the button with this text."""
    page.get_by_role("button", name=text, exact=True).click()


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_a_therapist_signs_in_by_link_reads_answers_and_takes_it_back(
    site: Site, visit: Visit, size: ViewportSize
) -> None:
    name = f"reader-{size['width']}"
    visitor = visit(size)
    page = visitor.sign_in(site.add(name))
    expect(page).to_have_url(site.address + item_of(name))
    expect(page.get_by_role("heading", level=1)).to_have_text("Client c-1")
    expect(page.locator(".head")).to_contain_text("Next session: Wed 25")
    expect(page.locator("svg.chart")).to_have_count(1)
    expect(page.locator("svg.chart")).to_be_visible()
    assert page_width(page) <= size["width"], "nothing has to be scrolled sideways"

    press(page, "I will bring it up")
    confirmation = page.locator("#confirmation")
    expect(confirmation).to_be_focused()
    expect(confirmation).to_contain_text("Your answer: I will bring it up")
    # Half a pixel of its border may lie outside.
    expect(confirmation).to_be_in_viewport(ratio=0.99)
    expect(page.locator(".state")).to_have_text("Answered")
    press(page, "Undo")
    expect(confirmation).to_be_focused()
    expect(confirmation).to_contain_text("The item is waiting again")
    expect(page.get_by_role("button", name="I will bring it up")).to_be_visible()
    press(page, "Sign out")
    expect(page).to_have_url(f"{site.address}/sign-in")
    page.goto(site.address + item_of(name))
    assert visitor.path == "/sign-in"


def test_what_they_talked_about_is_asked_after_a_later_session(site: Site, visit: Visit) -> None:
    visitor = visit()
    page = visitor.sign_in(site.add("asked"))
    expect(page.get_by_role("heading", name="Did you talk about it?")).to_have_count(0)
    press(page, "I will bring it up")
    site.tell(
        changed(Change.CONTINUED, 2, therapist="asked", episode="asked", client="c-1", session_at=NOW + WEEK)
    )
    with site.later(WEEK + timedelta(hours=1)):
        page = visitor.sign_in(visitor.ask_for_link(site, "asked"))
        page.goto(site.address + item_of("asked"))
        expect(page.get_by_role("heading", name="Did you talk about it?")).to_be_visible()
        press(page, "Yes, about the pace")
        expect(page.locator("#confirmation")).to_contain_text("Noted: Yes, about the pace.")
        press(page, "Undo")
        expect(page.get_by_role("heading", name="Did you talk about it?")).to_be_visible()


def test_everything_can_be_done_with_the_keyboard_alone(site: Site, visit: Visit) -> None:
    page = visit().page
    page.goto(site.add("keys"))
    _tab_to(page, "Sign in")
    page.keyboard.press("Enter")
    expect(page).to_have_url(site.address + item_of("keys"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    # The skip link leads past the header: what comes next is in the item.
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="We talked about it")).to_be_focused()
    page.goto(site.address + item_of("keys"))
    reached = _reached(page)
    named = page.locator("a, button, summary, [tabindex='0']").all()
    visible = [one for one in named if one.is_visible()]
    assert len(reached) == len(visible) > 10
    _tab_to(page, "All marks")
    page.keyboard.press("Enter")
    expect(page.locator("table.sessions")).to_be_visible()
    _tab_to(page, "Does not apply here")
    page.keyboard.press("Enter")
    expect(page.locator("#confirmation")).to_contain_text("Does not apply here")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()


def _focused(page: Page) -> str:
    text: str = page.evaluate("(document.activeElement.innerText || document.activeElement.id || '').trim()")
    return text


def _tab_to(page: Page, text: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if _focused(page) == text:
            return
    pytest.fail(f"{text} is not reached with the Tab key")


def _reached(page: Page) -> set[str]:
    """Return the elements that the Tab key reaches in one round, each with a visible outline."""
    found: set[str] = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        one = page.evaluate(
            "(e => e === document.body ? '' : [...document.querySelectorAll('*')].indexOf(e) + ' '"
            " + getComputedStyle(e).outlineStyle)(document.activeElement)"
        )
        if one in found or not one:
            return found
        assert one.endswith("solid"), "what has the focus is outlined"
        found.add(one)
    return found
