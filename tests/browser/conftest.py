"""Fixtures of the browser tests: a notifier that serves its pages over HTTP."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from services.runtime.http.server import serve
from services.runtime.postgres.migrations import migrate
from services.runtime.process.settings import HttpSettings
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.ports import free_port
from tests.support.service_stack import wait_until


@dataclass
class ServedNotifier:
    """A notifier whose pages a browser can open, with one item to review."""

    port: int
    mails: MailServer
    loop: asyncio.AbstractEventLoop
    notifier: NotifierDriver | None = None

    @property
    def address(self) -> str:
        """Where the pages are."""
        return f"http://127.0.0.1:{self.port}"

    def mailed_link(self) -> str:
        """Send what is due, and return the link in the newest mail."""
        assert self.notifier is not None
        asyncio.run_coroutine_threadsafe(self.notifier.run_due_jobs(), self.loop).result(20)
        return self.address + newest_link(self.mails)

    def advance(self, by: timedelta) -> None:
        """Move the notifier's clock."""
        assert self.notifier is not None
        self.notifier.advance(by)


def newest_link(mails: MailServer) -> str:
    """The path of the link in the newest mail."""
    body = mails.mails[-1].get_body(("plain",))
    assert body is not None
    path = re.search(r"/sign-in\?token=\S+", body.get_content())
    assert path is not None
    return path.group()


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[ServedNotifier]:
    """A notifier that runs with one item to review, about which a mail was sent."""
    failed: list[BaseException] = []
    migrate(database_url, "notifier")
    with running(MailServer()) as mails:
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()
        served = ServedNotifier(free_port(), mails, loop)

        async def run() -> None:
            async with running_notifier(database_url, tmp_path, smtp_port=mails.port) as notifier:
                served.notifier = notifier
                await notifier.add_therapist(time_zone="Europe/Vienna")
                await notifier.handle(changed())
                await notifier.run_due_jobs()
                await serve(notifier.app, HttpSettings(port=served.port), stop=stop)

        def live() -> None:
            try:
                loop.run_until_complete(run())
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=live)
        thread.start()
        try:
            wait_until(lambda: bool(failed) or _answers(served.port), "the notifier answers")
            assert failed == []
            yield served
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()


@pytest.fixture
def link(served: ServedNotifier) -> str:
    """The mailed link."""
    return served.address + newest_link(served.mails)


def _answers(port: int) -> bool:
    with socket.socket() as knock:
        return knock.connect_ex(("127.0.0.1", port)) == 0
