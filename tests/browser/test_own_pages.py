"""A therapist's own pages in a real browser: settings, sessions, all clients, and all of it in German."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, Visit, item_of
from tests.flow.notifier.test_caseload import assessed
from tests.support.detector.episodes import NOW
from tests.support.notifier.chromium import DESK, PHONE

pytestmark = pytest.mark.browser


def test_settings_are_kept_and_hold_at_once(site: Site, visit: Visit) -> None:
    page = visit().sign_in(site.add("settled-in"))
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Mail about items").select_option("Off: only the list shows them")
    page.get_by_label("When mail comes").select_option("once a day, at your hour")
    page.get_by_label("Your hour").select_option("16:00")
    until = (NOW + timedelta(days=14)).date().isoformat()
    page.get_by_label("No mail before").fill(until)
    page.get_by_label("Language").select_option("Deutsch")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Gespeichert")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.reload()
    expect(page.locator("#mail")).to_have_value("off")
    expect(page.locator("#timing")).to_have_value("daily")
    expect(page.locator("#hour")).to_have_value("16")
    expect(page.locator("#paused_until")).to_have_value(until)
    page.locator("#language").select_option("English")
    page.locator("main button").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")


def test_a_session_elsewhere_is_listed_and_ended(site: Site, visit: Visit) -> None:
    here, there = visit(DESK), visit(PHONE)
    here.sign_in(site.add("twice"))
    there.sign_in(there.ask_for_link(site, "twice"))
    page = here.page
    page.goto(f"{site.address}/settings")
    page.get_by_role("link", name="Where you are signed in").click()
    expect(page.locator("ul.items li")).to_have_count(2)
    page.get_by_role("button", name="End the session").click()
    expect(page.locator("ul.items li")).to_have_count(1)
    expect(page.locator(".state")).to_have_text("This one")
    there.page.reload()
    there.page.goto(f"{site.address}/")
    assert there.path == "/sign-in"


def test_a_client_is_found_with_the_keyboard_alone(site: Site, visit: Visit) -> None:
    link = site.add("finder")
    site.assess(*(assessed(f"finder-{number}", f"k-{number}", therapist="finder") for number in range(3)))
    visitor = visit()
    page = visitor.sign_in(link)
    page.goto(f"{site.address}/caseload")
    expect(page.locator("table.caseload tbody tr")).to_have_count(4)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "reference":
            break
    page.keyboard.type("C-1")
    page.keyboard.press("Enter")
    expect(page.locator("table.caseload tbody tr")).to_have_count(1)
    assert page.url == f"{site.address}/caseload", "a reference stands in no address"
    page.get_by_role("link", name="Open item of client c-1").press("Enter")
    expect(page).to_have_url(site.address + item_of("finder"))


def test_all_of_it_is_in_german_for_a_german_therapist(site: Site, visit: Visit) -> None:
    page = visit().sign_in(site.add("deutsch", locale="de-AT"))
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("heading", level=1)).to_have_text("Klient/in c-1")
    expect(page.locator("main")).to_contain_text("Nächste Sitzung: Mi")
    page.get_by_role("button", name="Ich werde es ansprechen").click()
    expect(page.locator("#confirmation")).to_contain_text("Ihre Antwort: Ich werde es ansprechen")
    page.get_by_role("button", name="Rückgängig").click()
    expect(page.get_by_role("button", name="Ich werde es ansprechen")).to_be_visible()
    for path in ("/", "/caseload", "/settings", "/sessions", "/guide", f"{item_of('deutsch')}/together"):
        page.goto(site.address + path)
        expect(page.locator("html")).to_have_attribute("lang", "de")
        text = page.locator("body").inner_text()
        assert [word for word in ("Session", "Settings", "Sign out", "client", "form") if word in text] == []
