"""A therapist with a real browser: from the mailed link to an answer, on a desk and on a telephone."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.detector.episodes import episode_named

pytestmark = pytest.mark.browser

SIZES = {"desk": (1200, 1000), "telephone": (390, 844)}


@contextmanager
def browser(width: int, height: int) -> Iterator[webdriver.Chrome]:
    """A browser without a window that keeps what it asked of the network and what it complained about."""
    options = webdriver.ChromeOptions()
    # Without the sandbox, because build machines run as root in a container.
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--window-size={width},{height}",
    ):
        options.add_argument(word)
    options.binary_location = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # Both are named: selenium asks the internet for what it is not told.
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        yield driver
    finally:
        driver.quit()


def logged(driver: webdriver.Chrome, kind: str) -> list[dict[str, str]]:
    """What the browser wrote down: `browser` for complaints, `performance` for requests."""
    found: list[dict[str, str]] = driver.get_log(kind)  # type: ignore[no-untyped-call] # selenium's own
    return found


def hosts_asked(driver: webdriver.Chrome) -> set[str]:
    """Every host that a request went to."""
    events = [json.loads(entry["message"])["message"] for entry in logged(driver, "performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return {
        urlsplit(url).hostname or "" for url in urls if not url.startswith(("data:", "chrome:", "about:"))
    }


def press(driver: webdriver.Chrome, text: str) -> None:
    """Press the button with this text, and wait for the page that follows."""
    button = driver.find_element(By.XPATH, f"//button[normalize-space()='{text}']")
    button.click()
    WebDriverWait(driver, 10).until(staleness_of(button))


@pytest.mark.parametrize("size", SIZES)
def test_a_therapist_signs_in_by_link_reads_answers_and_takes_it_back(link: str, size: str) -> None:
    with browser(*SIZES[size]) as driver:
        driver.get(link)
        press(driver, "Sign in")
        assert urlsplit(driver.current_url).path == f"/items/{episode_named('one')}"
        assert driver.find_element(By.TAG_NAME, "h1").text == "Client c-canary-77"
        charts = driver.find_elements(By.CSS_SELECTOR, "svg.chart")
        assert [chart.is_displayed() for chart in charts] == [True]
        page_width = driver.execute_script("return document.documentElement.scrollWidth")
        assert page_width <= SIZES[size][0], "nothing has to be scrolled sideways"

        press(driver, "I will bring it up")
        confirmation = driver.switch_to.active_element
        assert confirmation.get_attribute("id") == "confirmation"
        assert "Your answer: I will bring it up" in confirmation.text
        assert 0 <= confirmation.rect["y"] - driver.execute_script("return scrollY") < SIZES[size][1] / 2
        press(driver, "Undo")
        assert "The item is waiting again" in driver.switch_to.active_element.text
        assert driver.find_elements(By.XPATH, "//button[normalize-space()='I will bring it up']")
        press(driver, "Sign out")
        assert urlsplit(driver.current_url).path == "/sign-in"

        assert logged(driver, "browser") == []
        assert hosts_asked(driver) == {"127.0.0.1"}


def test_every_control_can_be_reached_and_named(link: str) -> None:
    with browser(*SIZES["desk"]) as driver:
        driver.get(link)
        press(driver, "Sign in")
        unnamed = [
            one.get_attribute("outerHTML")
            for one in driver.find_elements(
                By.CSS_SELECTOR, "a, button, input:not([type=hidden]), svg[role=img]"
            )
            if one.is_displayed() and not one.accessible_name
        ]
        assert unnamed == []
        levels = [int(one.tag_name[1]) for one in driver.find_elements(By.CSS_SELECTOR, "h1, h2, h3")]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))
