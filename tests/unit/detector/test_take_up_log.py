"""What waits for its turn is tried again, and the log says why in one line."""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import pytest
from structlog.testing import capture_logs

from services.detector.jobs.take_up_in_turn import TakeUpInTurn
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.self_check import threads_answer
from services.runtime.http.health import Health
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Retry
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import FuseSettings
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import tools_with
from tests.support.detector.toy_detector import ToyDetector


class Failing:
    """A consumer whose transactions fail."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self.asked = asyncio.Event()

    async def transact(self, _work: Callable[[Transaction], Awaitable[None]]) -> None:
        self.asked.set()
        raise self._error


def away() -> Retry:
    """Return what a transaction raises while the database is away."""
    retry = Retry("not stored, try again: OperationalError")
    retry.__cause__ = psycopg.OperationalError()
    return retry


@pytest.mark.parametrize(
    ("error", "why", "with_place"),
    [
        (away(), "Retry: not stored, try again: OperationalError", False),
        (ZeroDivisionError(), "ZeroDivisionError", True),
    ],
)
async def test_only_what_is_unexpected_is_logged_with_its_place(
    error: Exception, why: str, *, with_place: bool
) -> None:
    consumer, clock = Failing(error), ManualClock()
    in_turn = TakeUpInTurn(
        consumer.transact,
        tools_with(ToyDetector()),
        asyncio.Event(),
        count=lambda _batch, _at_s: None,
        health=Health(clock, Metrics("detector")),
        clock=clock,
        known_work=threads_answer,
        fuse=Fuse(FuseSettings()),
    )
    with capture_logs() as logged:
        running = asyncio.create_task(in_turn.run())
        await consumer.asked.wait()
        await in_turn.stop()
        await running

    assert [line["why"] for line in logged] == [why]
    assert [line.get("exc_info") is not None for line in logged] == [with_place]
