"""Takes up what waits for its turn beside a test, as the detector does."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog

from services.detector.jobs.take_up_blocked import Transact
from services.detector.jobs.take_up_in_turn import TakeUpInTurn
from services.detector.stream.batch import Tools
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.self_check import KnownWork, threads_answer
from services.runtime.http.health import Health
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.settings import FuseSettings


@contextlib.asynccontextmanager
async def taking_up(
    transact: Transact,
    tools: Tools,
    health: Health,
    known_work: KnownWork = threads_answer,
    clock: Clock | None = None,
) -> AsyncIterator[None]:
    """Take up in turn beside the block; what is tried again and again is logged nowhere, which is slow."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    in_turn = TakeUpInTurn(
        transact,
        tools,
        asyncio.Event(),
        count=lambda _batch, _at_s: None,
        health=health,
        clock=clock or SystemClock(),
        known_work=known_work,
        fuse=Fuse(FuseSettings()),
    )
    running = asyncio.create_task(in_turn.run())
    try:
        yield
    finally:
        await in_turn.stop()
        await running
        structlog.reset_defaults()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - the condition has no event to wait for
            await asyncio.sleep(0.02)
