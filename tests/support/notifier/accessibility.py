"""Checks an open page with axe-core, in light and dark, at the size of a desk and of a telephone."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page

from tests.support.notifier.chromium import DESK, PHONE

_SCRIPT = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
_SEEN_ANEW = ["color-contrast", "scrollable-region-focusable", "target-size", "link-in-text-block"]
"""Rules whose result depends on the scheme or on the size of the window."""


def violations(page: Page) -> list[str]:
    """Return what axe finds on the page, everything on it unfolded.

    All rules are asked once, and those that depend on what is seen in each scheme and size. What is left in
    the page is dark and of a telephone's size.
    """
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.evaluate(_SCRIPT)
    found: list[str] = []
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    for size, scheme in ((DESK, "light"), (DESK, "dark"), (PHONE, "light"), (PHONE, "dark")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of its words
        answer = page.evaluate("options => axe.run(options)", options)
        found += [f"{size['width']} px, {scheme}: {one}" for one in _lines(answer)]
        options["runOnly"] = {"type": "rule", "values": _SEEN_ANEW}
    return found


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    for violation in answer["violations"]:
        for node in violation["nodes"]:
            yield f"{violation['id']} at {node['target']}: {node['failureSummary']}"
