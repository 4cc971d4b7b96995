"""Fixtures that several kinds of tests stand on."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import fresh_database, postgres_server

pytest_plugins = ["tests.support.needs"]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """A fresh, empty database."""
    with fresh_database(postgres_url) as url:
        yield url
