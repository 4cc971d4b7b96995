"""The first screen of a telephone: sentence, picture, question and first answer, without scrolling."""

from pathlib import Path

import pytest

from tests.browser.test_therapist import SIZES, browser
from tests.support.notifier.screenshots import lay_out_pages, printed_pages, whole_answer_end

pytestmark = pytest.mark.browser


def test_the_first_answer_is_on_the_first_screen_and_a_page_prints_on_one_sheet(tmp_path: Path) -> None:
    files = lay_out_pages(tmp_path)
    with browser(*SIZES["telephone"]) as driver:
        below, sheets = {}, {}
        for name, file in files.items():
            driver.get(file.as_uri())
            end = whole_answer_end(driver)
            if end is not None and end > SIZES["telephone"][1]:
                below[name] = end
            assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
            if "guide" not in name:
                sheets[name] = printed_pages(driver)
    assert below == {}
    assert set(sheets.values()) == {1}
