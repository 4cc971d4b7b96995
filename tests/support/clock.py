"""A clock that tests move by hand."""

import asyncio
from datetime import UTC, datetime, timedelta


class ManualClock:
    """Does not advance by itself; `move` wakes the sleepers whose time has come."""

    def __init__(self, start: datetime = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)) -> None:
        self._now = start
        self._passed = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def now(self) -> datetime:
        """Return the current date and time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds that `move` has added."""
        return self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved by this many seconds."""
        if seconds > 0:
            woken = asyncio.Event()
            self._sleepers.append((self._passed + seconds, woken))
            await woken.wait()

    def move(self, seconds: float) -> None:
        """Advance the clock."""
        self._passed += seconds
        self._now += timedelta(seconds=seconds)
        for at, woken in self._sleepers:
            if at <= self._passed:
                woken.set()
        self._sleepers = [(at, woken) for at, woken in self._sleepers if at > self._passed]
