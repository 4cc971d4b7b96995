"""A therapist with a real browser: from the mailed link to an answer, on a desk and on a telephone."""

import asyncio
import json
import re
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from services.runtime.http.server import serve
from services.runtime.postgres.migrations import migrate
from services.runtime.process.settings import HttpSettings
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.ports import free_port
from tests.support.service_stack import wait_until

pytestmark = pytest.mark.browser

SIZES = {"desk": (1200, 1000), "telephone": (390, 844)}


@pytest.fixture
def link(database_url: str, tmp_path: Path) -> Iterator[str]:
    """A mailed link to a notifier that runs with one item to review."""
    port = free_port()
    links: list[str] = []
    failed: list[BaseException] = []
    migrate(database_url, "notifier")
    with running(MailServer()) as server:
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()

        async def run() -> None:
            async with running_notifier(database_url, tmp_path, smtp_port=server.port) as notifier:
                await notifier.add_therapist(time_zone="Europe/Vienna")
                await notifier.handle(changed())
                await notifier.run_due_jobs()
                body = server.mails[0].get_body(("plain",))
                assert body is not None
                path = re.search(r"/sign-in\?token=\S+", body.get_content())
                assert path is not None
                links.append(f"http://127.0.0.1:{port}{path.group()}")
                await serve(notifier.app, HttpSettings(port=port), stop=stop)

        def live() -> None:
            try:
                loop.run_until_complete(run())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=live)
        thread.start()
        try:
            wait_until(lambda: bool(failed) or _answers(port), "the notifier answers")
            assert failed == []
            yield links[0]
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


def _answers(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0


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
        assert driver.find_element(By.TAG_NAME, "h1").text == "Your client's session on Wed 18 Nov, 11:00"
        charts = driver.find_elements(By.CSS_SELECTOR, "svg.chart")
        assert [chart.is_displayed() for chart in charts] == [size == "desk", size == "telephone"]
        page_width = driver.execute_script("return document.documentElement.scrollWidth")
        assert page_width <= SIZES[size][0], "nothing has to be scrolled sideways"

        press(driver, "I will bring it up")
        assert "Your answer: I will bring it up" in driver.find_element(By.TAG_NAME, "main").text
        press(driver, "Undo")
        assert "You answered" not in driver.find_element(By.TAG_NAME, "main").text
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
