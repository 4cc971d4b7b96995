"""A batch in flight is waited for once, and its failure is kept until the batch is abandoned."""

import asyncio

import pytest

from services.runtime.consumer.in_flight_batch import InFlightBatch
from services.runtime.process.errors import Retry

STARTS = {("topic", 3): 7}


async def fail() -> None:
    await asyncio.sleep(0)
    raise Retry("Kafka is away")


async def test_a_batch_that_finished_leaves_nothing() -> None:
    in_flight = InFlightBatch()
    in_flight.start(asyncio.sleep(0), STARTS)

    await in_flight.wait()

    assert await in_flight.abandon() == (None, {})


async def test_a_failure_is_raised_and_abandoning_returns_where_the_batch_began() -> None:
    in_flight = InFlightBatch()
    in_flight.start(fail(), STARTS)

    with pytest.raises(Retry):
        await in_flight.wait()
    error, starts = await in_flight.abandon()

    assert isinstance(error, Retry)
    assert starts == STARTS
    assert await in_flight.abandon() == (None, {})


async def test_a_cancelled_caller_leaves_the_batch_running() -> None:
    in_flight, may_finish = InFlightBatch(), asyncio.Event()

    async def steps() -> None:
        await may_finish.wait()

    in_flight.start(steps(), STARTS)
    waiting = asyncio.create_task(in_flight.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    may_finish.set()

    assert in_flight.active
    assert await in_flight.abandon() == (None, {})
