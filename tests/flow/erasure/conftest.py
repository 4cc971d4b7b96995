"""Fixtures: a detector and a notifier over one database, with two clients in every table."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.cli.admin.sandboxes import erase_sandboxes
from services.notifier.directory.store import PracticeOptions
from services.runtime.postgres.migrations import migrate
from tests.support.detector.batch_driver import DetectorDriver, detector_driver
from tests.support.erasure import SECRET, SeededClient, database
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.postgres import fresh_database

SANDBOX = "north.sandbox"


@dataclass(frozen=True, slots=True)
class SeededPractice:
    """Both services, and two clients of the practice `north`."""

    url: str
    detector: DetectorDriver
    notifier: NotifierDriver
    gone: SeededClient
    kept: SeededClient


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> Iterator[str]:
    """A database with the tables of both services, to be copied."""
    with fresh_database(postgres_url) as url:
        migrate(url, "detector")
        migrate(url, "notifier")
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
async def practice(postgres_url: str, migrated: str, tmp_path: Path) -> AsyncIterator[SeededPractice]:
    """Both services over a fresh database, and two clients, each with a therapist."""
    with fresh_database(postgres_url, template=migrated) as url:
        async with detector_driver(url) as detector, running_notifier(url, tmp_path) as notifier:
            await detector.practice()
            await notifier.add_therapist()
            await notifier.add_therapist(therapist_id="t-2")
            gone, kept = SeededClient("gone"), SeededClient("kept", "t-2")
            for one in (gone, kept):
                await one.fill(detector, notifier)
            yield SeededPractice(url, detector, notifier, gone, kept)


@pytest.fixture
async def sandbox(practice: SeededPractice) -> SeededClient:
    """A client of the sandbox, with the same ids as a client of the practice."""
    await practice.detector.practice(SANDBOX)
    await practice.notifier.set_practice(PracticeOptions(SANDBOX, display_name="Made up"))
    await practice.notifier.add_therapist(practice_id=SANDBOX, address="tester@north.example")
    made_up = SeededClient("gone", practice=SANDBOX)
    await made_up.fill(practice.detector, practice.notifier)
    return made_up


async def night(practice: SeededPractice) -> None:
    """Erase the sandboxes, as it is done every night."""
    await erase_sandboxes(database(practice.url), SECRET)
