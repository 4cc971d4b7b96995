"""Fixtures of the notifier's flow."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from services.runtime.postgres.migrations import migrate
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.notifier.webhook_receiver import WebhookReceiver, running_receiver
from tests.support.postgres import fresh_database
from tests.support.recorded_queries import asked_again


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> Iterator[str]:
    """A database with the notifier's tables, to be copied."""
    with fresh_database(postgres_url) as url:
        migrate(url, "notifier")
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def database_url(postgres_url: str, migrated: str) -> Iterator[str]:
    """A fresh database with the notifier's tables."""
    with fresh_database(postgres_url, template=migrated) as url:
        yield url


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that accepts what it is sent."""
    with running(MailServer()) as ready:
        yield ready


@pytest.fixture
def empty_url(postgres_url: str, migrated: str) -> str:
    """The notifier's tables without a row."""
    return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{migrated}"))


@pytest.fixture
def bound_requests(database_url: str, empty_url: str) -> Iterator[None]:
    """Ask again, for another practice and for none, what the requests of the test have asked."""
    with asked_again("notifier", database_url, empty_url):
        yield


@pytest.fixture
async def notifier(
    database_url: str, bound_requests: None, tmp_path: Path, mail_server: MailServer
) -> AsyncIterator[NotifierDriver]:
    """The notifier over a fresh database, with one therapist in the directory, its clock standing still."""
    async with running_notifier(database_url, tmp_path, smtp_port=mail_server.port) as ready:
        ready.mail_server = mail_server
        await ready.add_therapist()
        yield ready


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Return a receiver of webhooks that answers at once."""
    with running_receiver() as ready:
        yield ready
