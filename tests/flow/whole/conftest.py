"""Fixtures of the tests of detector and notifier together: one deployment over one migrated database."""

import asyncio
from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog
import uvloop

from services.runtime.postgres.migrations import migrate
from tests.support.detector.toy_detector import ToyDetector
from tests.support.gate_guard import require_gate
from tests.support.postgres import fresh_database
from tests.support.whole_flow.checks import HistoryChecks, checks_of
from tests.support.whole_flow.deployment import OTHER_MODEL, deployment
from tests.support.whole_flow.world import HistoryWorld


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """The event loop of all examples."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="module")
def checks(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, loop: asyncio.Runner
) -> Iterator[HistoryChecks]:
    """Both services over an empty database, two small models, and what is checked."""
    structlog.configure(processors=[_drop], cache_logger_on_first_use=False)
    models = (ToyDetector(), ToyDetector(OTHER_MODEL, threshold=0.7))
    with fresh_database(postgres_url) as url:
        for service in ("detector", "notifier"):
            migrate(url, service)
        require_gate(url)
        entered = deployment(url, tmp_path_factory.mktemp("whole"), models)
        made = loop.run(entered.__aenter__())
        try:
            world = loop.run(HistoryWorld.of(made))
            yield checks_of(world, models)
            loop.run(world.conn.close())
        finally:
            loop.run(entered.__aexit__(None, None, None))
    structlog.reset_defaults()
