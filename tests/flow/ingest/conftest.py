"""Ingest on one embedded broker for all tests of this folder; each test uses practices of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.embedded_kafka import embedded_kafka
from tests.support.ingest.running import MovedClock, Running, running_ingest


@pytest.fixture(scope="session")
def kafka_env() -> Iterator[dict[str, str]]:
    """How the broker is reached."""
    with embedded_kafka() as bootstrap:
        yield {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "KAFKA_EMBEDDED": "true"}


@pytest.fixture
def clock() -> MovedClock:
    """Stands still unless it is moved."""
    return MovedClock()


@pytest.fixture
async def ingest(kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock) -> AsyncIterator[Running]:
    """An ingest with the usual limits, at noon of 23 November 2026."""
    async with running_ingest(kafka_env, tmp_path, clock=clock) as running:
        yield running
