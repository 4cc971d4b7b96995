"""One broker for all tests of this folder; each test has its own topics, group and database."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.support.embedded_kafka import embedded_kafka
from tests.support.runtime.sample_service import Sample


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Silence the log: structlog's defaults would print each traceback in full."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """Return the address of a running broker."""
    with embedded_kafka() as bootstrap:
        yield bootstrap


@pytest.fixture
def sample(broker: str, database_url: str) -> Sample:
    """Return the sample service with its tables."""
    service = Sample(broker, database_url)
    service.create_tables()
    return service
