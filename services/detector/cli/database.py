"""Runs one piece of work with a connection to the detector's database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from services.runtime.postgres.connect import Connection

Result = TypeVar("Result")


def run_with_database(work: Callable[["Connection"], Awaitable[Result]]) -> Result:
    """Connect by the settings in the environment, do the work, and return its result."""
    return asyncio.run(_run(work))


async def _run(work: Callable[["Connection"], Awaitable[Result]]) -> Result:
    from services.runtime.postgres.connect import connect
    from services.runtime.process.settings import DatabaseSettings

    async with await connect(DatabaseSettings(), "rapport-cli") as conn:
        return await work(conn)
