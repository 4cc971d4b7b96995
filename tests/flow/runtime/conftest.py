"""One broker for all tests of this folder; topics, group and database are each test's own."""

from collections.abc import Iterator

import pytest

from tests.support.kafka import embedded_kafka
from tests.support.sample import Sample


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """A running broker's address."""
    with embedded_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture
def sample(broker: str, database_url: str) -> Sample:
    """The sample service with its tables."""
    service = Sample(broker, database_url)
    service.create_tables()
    return service
