"""One broker for all tests of this folder; topics, group and database are each test's own."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.support.embedded_kafka import embedded_kafka
from tests.support.runtime.sample_service import Sample


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """No log lines: structlog's defaults would draw each traceback at length."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


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
