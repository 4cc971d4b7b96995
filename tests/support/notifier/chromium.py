"""Starts the installed Chromium without a window, for tests and pictures of the pages."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1200, "height": 900}
# Without the sandbox, because build machines run as root in a container; and nothing but pages is asked for.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    """Return where Chromium is installed; None where it is not."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser with an empty profile; each of its contexts is a visitor of its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def page_width(page: Page) -> int:
    """Return the width of the page's content in CSS pixels; more than the window's has to be scrolled."""
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width


def printed_sheets(pdf: bytes) -> int:
    """Return the number of sheets of a print."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))
