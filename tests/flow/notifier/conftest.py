"""Fixtures of the notifier's flow."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.mail_server import MailServer, running
from tests.support.notifier_stage import Stage, notifier_stage


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that accepts what it is sent."""
    with running(MailServer()) as ready:
        yield ready


@pytest.fixture
async def stage(database_url: str, tmp_path: Path, mail_server: MailServer) -> AsyncIterator[Stage]:
    """The notifier over a fresh database, with one therapist in the directory, its clock standing still."""
    async with notifier_stage(database_url, tmp_path, smtp_port=mail_server.port) as ready:
        ready.mail_server = mail_server
        await ready.add()
        yield ready
