"""Ways to an item and on from it: a link that has expired, the view for two, all clients, a wrong address."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.conftest import ServedNotifier
from tests.browser.test_therapist import SIZES, browser, logged, press
from tests.support.detector.episodes import episode_named

pytestmark = pytest.mark.browser

ITEM = f"/items/{episode_named('one')}"


def test_a_new_link_after_an_expired_one_leads_to_the_item(served: ServedNotifier, link: str) -> None:
    served.advance(timedelta(days=15))
    with browser(*SIZES["telephone"]) as driver:
        driver.get(link)
        assert "This link has expired." in driver.find_element(By.TAG_NAME, "main").text
        press(driver, "Send me a new link")
        driver.get(served.mailed_link())
        press(driver, "Sign in")
        assert urlsplit(driver.current_url).path == ITEM


@pytest.mark.parametrize("size", SIZES)
def test_the_view_for_two_is_reached_from_the_item_and_leads_back(link: str, size: str) -> None:
    with browser(*SIZES[size]) as driver:
        driver.get(link)
        press(driver, "Sign in")
        driver.find_element(By.LINK_TEXT, "Look at it together").click()
        assert urlsplit(driver.current_url).path == f"{ITEM}/together"
        assert driver.find_element(By.CSS_SELECTOR, "svg.chart").is_displayed()
        assert driver.find_elements(By.TAG_NAME, "button") == []
        assert driver.execute_script("return document.documentElement.scrollWidth") <= SIZES[size][0]
        driver.find_element(By.PARTIAL_LINK_TEXT, "Back").click()
        assert urlsplit(driver.current_url).path == ITEM
        assert logged(driver, "browser") == []


def test_a_client_is_found_with_the_keyboard_alone(link: str) -> None:
    with browser(*SIZES["telephone"]) as driver:
        driver.get(link)
        press(driver, "Sign in")
        driver.get(driver.current_url.replace(ITEM, "/caseload"))
        for _ in range(12):
            driver.switch_to.active_element.send_keys(Keys.TAB)
            if driver.switch_to.active_element.get_attribute("id") == "reference":
                break
        driver.switch_to.active_element.send_keys("CANARY", Keys.ENTER)
        assert urlsplit(driver.current_url).query == ""
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        open_item = driver.find_element(By.CSS_SELECTOR, "table.caseload a")
        assert open_item.accessible_name == "Open item of client c-canary-77"
        open_item.send_keys(Keys.ENTER)
        assert urlsplit(driver.current_url).path == ITEM


def test_a_wrong_address_shows_a_page(served: ServedNotifier) -> None:
    with browser(*SIZES["telephone"]) as driver:
        driver.get(f"{served.address}/no-such-page")
        assert driver.find_element(By.TAG_NAME, "h1").text == "Not found"
