"""The first screen of a telephone: sentence, picture, question and first answer, without scrolling."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.notifier.chromium import PHONE, page_width, printed_sheets
from tests.support.notifier.screenshots import lay_out_pages, whole_answer_end

pytestmark = pytest.mark.browser


def test_the_first_answer_is_on_the_first_screen_and_a_page_prints_on_one_sheet(
    browser: Browser, tmp_path: Path
) -> None:
    below, sheets = {}, {}
    with browser.new_page(viewport=PHONE) as page:
        for name, file in lay_out_pages(tmp_path).items():
            page.goto(file.as_uri())
            end = whole_answer_end(page)
            if end is not None and end > PHONE["height"]:
                below[name] = end
            assert page_width(page) <= PHONE["width"]
            if "guide" not in name:
                sheets[name] = printed_sheets(page.pdf(format="A4"))
    assert below == {}
    assert set(sheets.values()) == {1}
