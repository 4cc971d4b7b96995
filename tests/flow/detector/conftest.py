"""Fixtures of the detector's flow: the tables are migrated once and copied for each test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from services.runtime.postgres.migrations import migrate
from tests.support.detector.batch_driver import DetectorDriver, detector_driver
from tests.support.detector.toy_detector import StatisticsReader
from tests.support.postgres import fresh_database


class NewDatabase(Protocol):
    """Makes a database with the detector's tables and gives its URL."""

    def __call__(self) -> AbstractContextManager[str]: ...


@pytest.fixture(scope="session")
def new_database(postgres_url: str) -> Iterator[NewDatabase]:
    """Makes fresh databases with the detector's tables."""
    with fresh_database(postgres_url) as template:
        migrate(template, "detector")
        name = urlsplit(template).path.lstrip("/")
        yield lambda: fresh_database(postgres_url, name)


@pytest.fixture
def database_url(new_database: NewDatabase) -> Iterator[str]:
    """The URL of a fresh database with the detector's tables."""
    with new_database() as url:
        yield url


@pytest.fixture
async def detector(database_url: str) -> AsyncIterator[DetectorDriver]:
    """The toy detector over a fresh database, with one practice that gets messages about all sessions."""
    async with detector_driver(database_url) as ready:
        await ready.practice()
        yield ready


@pytest.fixture
def reader() -> StatisticsReader:
    """A model that reads statistics, and notes which it was given."""
    return StatisticsReader()


@pytest.fixture
async def driver(database_url: str, reader: StatisticsReader) -> AsyncIterator[DetectorDriver]:
    """That model over a fresh database, with the practice `north`."""
    async with detector_driver(database_url, reader) as ready:
        await ready.practice()
        yield ready
