"""Fixtures of the browser tests: a notifier that serves its pages over HTTP, and visitors in one browser."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, ViewportSize

from schemas.events import EpisodeChanged
from services.runtime.http.server import serve
from services.runtime.kafka.record import Record
from services.runtime.postgres.migrations import migrate
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.chromium import PHONE, chromium
from tests.support.notifier.mail_server import MailServer, running
from tests.support.ports import free_port
from tests.support.postgres import fresh_database
from tests.support.service_stack import wait_until

_ANSWERED_WITH = "Failed to load resource: the server responded with a status of"
"""A page that is not found or a link that was used is no complaint about the page."""
_PROVIDER = """
[west]
name = "Praxis West"
issuer = "http://127.0.0.1:{port}"
client_id = "rapport"
mailed_links = false
on_sign_in_page = true
"""
"""The practice `west` signs in with a provider alone, and this one is away."""


Result = TypeVar("Result")


def item_of(name: str) -> str:
    """Return the path of the item that is called `name`."""
    return f"/items/{episode_named(name)}"


@dataclass
class Site:
    """A notifier whose pages a browser can open."""

    port: int
    mails: MailServer
    loop: asyncio.AbstractEventLoop
    notifier: NotifierDriver | None = None

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def driver(self) -> NotifierDriver:
        """The running notifier."""
        assert self.notifier is not None
        return self.notifier

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run this in the notifier's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def add(self, therapist: str, *changes: EpisodeChanged, practice: str = "north", **fields: object) -> str:
        """Add a therapist with items, by default one that has their name; return the newest mailed link."""
        address = f"{therapist}@{practice}.example"
        entry = {"time_zone": "Europe/Vienna", **fields}
        self.run(
            self.driver.add_therapist(practice_id=practice, therapist_id=therapist, address=address, **entry)
        )
        own = changed(practice=practice, therapist=therapist, episode=therapist, client="c-1")
        self.tell(*(changes or (own,)))
        return self.link_for(address)

    def tell(self, *changes: EpisodeChanged) -> None:
        """Handle these changes."""
        self.run(self.driver.handle(*changes))

    def assess(self, *records: Record) -> None:
        """Handle these records of assessments."""
        self.run(self.driver.handle_records(records))

    def link_for(self, address: str) -> str:
        """Send what is due, and return the link in the newest mail to this address."""
        self.run(self.driver.run_due_jobs())
        mail = next(one for one in reversed(self.mails.mails) if address in str(one["To"]))
        body = mail.get_body(("plain",))
        assert body is not None
        path = re.search(r"/sign-in\?token=\S+", body.get_content())
        assert path is not None
        return self.address + path.group()

    @contextmanager
    def later(self, by: timedelta) -> Iterator[None]:
        """Move the notifier's clock for a while."""
        self.driver.advance(by)
        try:
            yield
        finally:
            self.driver.advance(-by)


@pytest.fixture(scope="package")
def site(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A running notifier; each test adds a therapist of its own."""
    failed: list[BaseException] = []
    with fresh_database(postgres_url) as url, running(MailServer()) as mails:
        migrate(url, "notifier")
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()
        site = Site(free_port(), mails, loop)

        async def run() -> None:
            folder = tmp_path_factory.mktemp("notifier")
            openid = folder / "openid.toml"
            openid.write_text(_PROVIDER.format(port=free_port()))
            async with running_notifier(url, folder, smtp_port=mails.port, openid_file=openid) as notifier:
                site.notifier = notifier
                await serve(notifier.app, HttpSettings(port=site.port), Metrics("notifier"), stop=stop)

        def live() -> None:
            try:
                loop.run_until_complete(run())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=live)
        thread.start()
        try:
            wait_until(lambda: bool(failed) or _answers(site.port), "the notifier answers")
            assert failed == []
            yield site
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


# Not for the session: while it runs, the tests of other folders could not run an event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests of this folder."""
    with chromium() as found:
        yield found


@dataclass
class Visitor:
    """A page in a browser profile of its own, and what the browser noted about it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """The path of the address that is shown."""
        return urlsplit(self.page.url).path

    def sign_in(self, link: str) -> Page:
        """Open a mailed link and press the button behind it."""
        self.page.goto(link)
        with self.page.expect_navigation():
            self.page.locator("main button").click()
        return self.page

    def ask_for_link(self, site: Site, therapist: str, practice: str = "north") -> str:
        """Ask for a link on the page of the sign-in, and return the one that is mailed."""
        address = f"{therapist}@{practice}.example"
        self.page.goto(f"{site.address}/sign-in")
        self.page.locator("input[type=email]").fill(address)
        with self.page.expect_navigation():
            self.page.locator("main button").click()
        return site.link_for(address)

    def note(self, message: ConsoleMessage) -> None:
        """Keep what the browser complains about."""
        if message.type in {"error", "warning"} and not message.text.startswith(_ANSWERED_WITH):
            self.complaints.append(message.text)


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Open pages as visitors who know nothing of each other; none may complain, or ask another host."""
    visitors: list[Visitor] = []

    def open_page(size: ViewportSize = PHONE, scheme: Literal["light", "dark"] = "light") -> Visitor:
        context = browser.new_context(viewport=size, color_scheme=scheme, locale="en-GB")
        context.set_default_timeout(10_000)
        visitor = Visitor(context.new_page())
        visitor.page.on("console", visitor.note)
        visitor.page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
        visitor.page.on("request", lambda request: visitor.hosts.add(urlsplit(request.url).hostname or ""))
        visitors.append(visitor)
        return visitor

    yield open_page
    for visitor in visitors:
        visitor.page.context.close()
    assert [visitor.complaints for visitor in visitors] == [[]] * len(visitors)
    assert {host for visitor in visitors for host in visitor.hosts} <= {"127.0.0.1", ""}


def _answers(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0
