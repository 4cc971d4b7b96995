"""Ways to an item and on from it: used and expired links, the view for two, and none to other practices."""

from datetime import timedelta

import pytest
from playwright.sync_api import ViewportSize, expect

from tests.browser.conftest import Site, Visit, item_of
from tests.support.detector.episodes import changed
from tests.support.notifier.chromium import DESK, PHONE, page_width

pytestmark = pytest.mark.browser


def test_a_new_link_after_an_expired_one_leads_to_the_item(site: Site, visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    link = site.add("expired")
    with site.later(timedelta(days=15)):
        page.goto(link)
        expect(page.get_by_role("alert")).to_have_text("This link has expired.")
        page.get_by_role("button", name="Send me a new link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
        visitor.sign_in(site.link_for("expired@north.example"))
        assert visitor.path == item_of("expired")


def test_a_link_that_was_used_signs_nobody_in_and_offers_a_new_one(site: Site, visit: Visit) -> None:
    link = site.add("reused")
    visit().sign_in(link)
    second = visit()
    page = second.page
    page.goto(link)
    expect(page.get_by_role("alert")).to_have_text("This link has already been used.")
    page.get_by_role("button", name="Send me a new link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
    page.goto(site.address + item_of("reused"))
    assert second.path == "/sign-in", "the used link has signed nobody in"
    second.sign_in(site.link_for("reused@north.example"))
    assert second.path == item_of("reused")


def test_who_opens_an_item_without_a_session_is_led_to_it(site: Site, visit: Visit) -> None:
    site.add("bookmark")
    visitor = visit()
    page = visitor.page
    page.goto(site.address + item_of("bookmark"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.get_by_label("E-mail address").fill("bookmark@north.example")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your e-mail")
    visitor.sign_in(site.link_for("bookmark@north.example"))
    assert visitor.path == item_of("bookmark")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "telephone"])
def test_the_view_for_two_is_reached_from_the_item_and_leads_back(
    site: Site, visit: Visit, size: ViewportSize
) -> None:
    name = f"two-{size['width']}"
    visitor = visit(size)
    page = visitor.sign_in(site.add(name))
    page.get_by_role("link", name="Look at it together").click()
    expect(page).to_have_url(f"{site.address}{item_of(name)}/together")
    expect(page.locator("svg.chart")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    assert page_width(page) <= size["width"]
    page.get_by_role("link", name="Back").click()
    expect(page).to_have_url(site.address + item_of(name))


def test_two_practices_side_by_side_see_nothing_of_each_other(site: Site, visit: Visit) -> None:
    # Both practices call their therapist the same, and each has a client of its own.
    north = site.add("same", changed(therapist="same", episode="of-north", client="north-1"))
    south = site.add(
        "same",
        changed(practice="south", therapist="same", episode="of-south", client="south-1"),
        practice="south",
    )
    visitors = {"north": visit(DESK), "south": visit(PHONE)}
    visitors["north"].sign_in(north)
    visitors["south"].sign_in(south)
    for own, other in (("north", "south"), ("south", "north")):
        page = visitors[own].page
        for path in ("/", "/caseload", "/sessions", "/settings", "/guide", item_of(f"of-{own}")):
            page.goto(site.address + path)
            assert f"{other}-1" not in page.content()
            assert item_of(f"of-{other}") not in page.content()
        for path in (item_of(f"of-{other}"), f"{item_of(f'of-{other}')}/together"):
            answered = page.goto(site.address + path)
            assert answered is not None
            assert answered.status == 404
            expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    page = visitors["north"].page
    page.goto(f"{site.address}/sessions")
    expect(page.locator("ul.items li")).to_have_count(1)
    page.goto(site.address)
    page.get_by_role("button", name="Sign out").click()
    visitors["south"].page.goto(f"{site.address}/")
    expect(visitors["south"].page.get_by_role("heading", name="Client south-1")).to_be_visible()


def test_a_wrong_address_shows_a_page(site: Site, visit: Visit) -> None:
    page = visit().page
    page.goto(f"{site.address}/no-such-page")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
