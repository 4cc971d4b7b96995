"""Tells records that take too long from a process that finishes nothing, whatever the records."""

import asyncio
from collections.abc import Awaitable, Callable

from services.runtime.process.errors import Hang

KnownWork = Callable[[], Awaitable[object]]
"""Does a little of what the handler does, with data that are known to be good."""


async def threads_answer() -> None:
    """Have a worker thread do next to nothing."""
    await asyncio.to_thread(int)


class SelfCheck:
    """Does known work after records took too long; `report_hang` is told when even that takes too long."""

    def __init__(self, work: KnownWork, deadline_s: float, report_hang: Callable[[], None]) -> None:
        self._work = work
        self._deadline_s = deadline_s
        self._report_hang = report_hang

    async def run(self, error: Exception) -> None:
        """Return if the records may be at fault for `error`.

        Raises:
            Hang: this process does not finish the known work either.
            Exception: whatever the known work raises, which no record is at fault for either.
        """
        deadline = asyncio.timeout(self._deadline_s)
        try:
            async with deadline:
                await self._work()
        except TimeoutError:
            if not deadline.expired():
                raise
            self._report_hang()
            raise Hang(
                f"this process did not finish within {self._deadline_s:g} s what is known to be good, so no"
                " record is set aside: restart it if this lasts"
            ) from error
