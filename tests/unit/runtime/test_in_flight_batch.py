"""What is still under way of an earlier batch: awaited once, and its failure kept until it is asked for."""

import asyncio

import pytest

from services.runtime.consumer.in_flight_batch import InFlightBatch
from services.runtime.process.errors import Retry

STARTS = {("topic", 3): 7}


async def fail() -> None:
    await asyncio.sleep(0)
    raise Retry("Kafka is away")


async def test_what_came_to_its_end_leaves_nothing() -> None:
    in_flight = InFlightBatch()
    in_flight.start(asyncio.sleep(0), STARTS)

    await in_flight.wait()

    assert await in_flight.abandon() == (None, {})


async def test_a_failure_is_raised_and_then_says_where_its_batch_begins() -> None:
    in_flight = InFlightBatch()
    in_flight.start(fail(), STARTS)

    with pytest.raises(Retry):
        await in_flight.wait()
    error, starts = await in_flight.abandon()

    assert isinstance(error, Retry)
    assert starts == STARTS
    assert await in_flight.abandon() == (None, {})


async def test_a_caller_that_is_cancelled_leaves_it_running() -> None:
    in_flight, go = InFlightBatch(), asyncio.Event()

    async def steps() -> None:
        await go.wait()

    in_flight.start(steps(), STARTS)
    waiting = asyncio.create_task(in_flight.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    go.set()

    assert in_flight.active
    assert await in_flight.abandon() == (None, {})
