"""Every page that a therapist or a practice can reach passes axe-core, and is never scrolled sideways."""

from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from schemas.instruments.catalogue import Catalogue
from services.cli.demo.trajectory_file import write_trajectory
from services.detector.model.artefact import SHIPPED, load
from services.detector.preview.page import render
from services.detector.preview.pipeline import try_file
from tests.browser.conftest import Site, Visit, item_of
from tests.flow.notifier.test_caseload import assessed
from tests.support.detector.episodes import changed
from tests.support.detector.tables import EXAMPLE
from tests.support.notifier.accessibility import violations
from tests.support.notifier.chromium import page_width
from tests.support.notifier.screenshots import lay_out_pages

pytestmark = pytest.mark.browser

LONG = "practice-east/clients/2026-" + "0123456789abcdef" * 2
"""A reference without a place to break a line."""
WIDTHS = {"a telephone": 390, "zoomed to 200 %": 195, "zoomed to 400 % on a desk": 320}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The item in all its states, the page of `rapport try` and the picture of the demo, as files."""
    folder = tmp_path_factory.mktemp("pages")
    found = {name: file for name, file in lay_out_pages(folder).items() if "state" in name or "de-" in name}
    found["try"] = folder / "try.html"
    tried = try_file(EXAMPLE, load(SHIPPED), Catalogue.load())
    found["try"].write_text(render(tried), "utf-8")
    found["picture"] = folder / "trajectory.svg"
    told = changed().model_dump(mode="json", exclude_none=True)
    assert write_trajectory({"changes": [{"data": told}]}, found["picture"])
    return found


@pytest.fixture
def signed_in(site: Site, visit: Visit) -> Page:
    """A therapist with a client of long reference, whose name no other test uses."""
    link = site.add("everywhere", changed(therapist="everywhere", episode="everywhere", client=LONG))
    site.assess(*(assessed(f"every-{number}", LONG[number:], therapist="everywhere") for number in range(3)))
    return visit().sign_in(link)


PATHS = (
    "/",
    "/caseload",
    "/settings",
    "/sessions",
    "/guide",
    item_of("everywhere"),
    f"{item_of('everywhere')}/together",
    "/no-such-page",
)


def too_wide(page: Page) -> list[str]:
    """Return where the page has to be scrolled sideways: by zoom, and by letters of twice the size."""
    found = []
    for name, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 844})
        if page_width(page) > width:
            found.append(f"{name}: {page_width(page)} px")
    page.set_viewport_size({"width": 390, "height": 844})
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    if page_width(page) > 390:
        found.append(f"large letters: {page_width(page)} px")
    return found


def test_pages_behind_the_sign_in(site: Site, signed_in: Page) -> None:
    found, wide = {}, {}
    for path in PATHS:
        signed_in.goto(site.address + path)
        found[path] = violations(signed_in)
        wide[path] = too_wide(signed_in)
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert {path: lines for path, lines in wide.items() if lines} == {}


def test_pages_before_the_sign_in(site: Site, visit: Visit) -> None:
    link = site.add("before")
    page = visit().page
    found, wide = {}, {}

    def look(name: str) -> None:
        found[name] = violations(page)
        wide[name] = too_wide(page)

    page.goto(f"{site.address}/sign-in")
    look("sign in")
    page.goto(f"{site.address}/sign-in?token=forged")
    look("unknown link")
    page.goto(link)
    look("good link")
    with site.later(timedelta(days=15)):
        page.goto(link)
        look("expired link")
        page.locator("main button").click()
        look("link is on its way")
    page.goto(f"{site.address}/no-such-page")
    look("wrong address")
    page.goto(site.add("elsewhere", practice="west"))
    look("the practice signs in with a provider")
    page.goto(f"{site.address}/sign-in/with/west")
    look("the provider is away")
    page.goto(f"{site.address}/sign-in/with/west/callback?error=access_denied")
    look("the provider refused")
    sharer = visit().sign_in(site.link_for("before@north.example"))
    sharer.goto(site.address + item_of("before"))
    sharer.locator("#share summary").click()
    sharer.locator("#share button").click()
    shared = sharer.locator("#share-link").input_value()
    page.goto(site.address + shared[shared.index("/shared") :])
    look("shared link")
    page.locator("main button").click()
    look("shared item")
    sharer.goto(site.address + item_of("before"))
    sharer.locator(".answers form input[name=csrf]").evaluate("one => one.value = 'of-another-page'")
    with sharer.expect_navigation():
        sharer.locator(".buttons button").first.click()
    assert "out of date" in sharer.locator("main").inner_text()
    found["bad form"], wide["bad form"] = violations(sharer), too_wide(sharer)
    used = site.link_for("before@north.example")
    page.goto(used)
    assert "already been used" in page.locator("main").inner_text()
    look("used link")
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert {name: lines for name, lines in wide.items() if lines} == {}


def test_the_item_in_all_states_and_the_pages_that_commands_write(
    browser: Browser, documents: dict[str, Path]
) -> None:
    found, wide = {}, {}
    with browser.new_page() as page:
        for name, file in documents.items():
            page.goto(file.as_uri())
            if name.startswith("en-") or name in {"try", "picture"}:
                found[name] = violations(page)
            if name != "picture":
                wide[name] = too_wide(page)
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert {name: lines for name, lines in wide.items() if lines} == {}
