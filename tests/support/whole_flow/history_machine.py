"""Runs a drawn history: starts both services, checks after every step, compares the end with the oracle."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.deployment import PRACTICES
from tests.support.whole_flow.world import INPUTS, SentRating

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
Marks = tuple[float, ...] | None
"""None: the form is declined."""
Result = TypeVar("Result")
HIGH = ((9.0, 8.8, 9.2, 9.0), (8.7, 9.1, 8.9, 9.3))
LOW = ((3.1, 2.4, 3.5, 2.8), (5.2, 1.9, 4.8, 4.1))

practices, clients = st.sampled_from(PRACTICES), st.sampled_from(("c1", "c2"))
services = st.sampled_from(tuple(INPUTS))
any_one = st.integers(0, 40)
"""Chooses one of however many there are."""


class HistoryMachine(RuleBasedStateMachine):
    """What all machines do: a client has a course of sessions, and services read batches of any size."""

    def __init__(self, checks: HistoryChecks, loop: asyncio.Runner) -> None:
        super().__init__()
        self.checks, self.world, self._loop = checks, checks.world, loop
        self.therapists: dict[tuple[str, str], str] = {}
        self.sessions = self.clock_changes = self.rests = 0

    def run(self, work: Awaitable[Result]) -> Result:
        """Do something on the event loop."""

        async def wait() -> Result:
            return await work

        return self._loop.run(wait())

    @initialize(records=st.sampled_from((2, 4, 16)), lows=st.integers(0, 2))
    def begin(self, records: int, lows: int) -> None:
        """Start with one client's course, and with batches of at most this number of records."""
        self.checks.begin()
        self.run(self.world.begin(records))
        self.rate_course("north", "c1", lows)

    @property
    def is_up(self) -> bool:
        """Whether the database is there."""
        return self.world.away is None

    @invariant()
    def holds(self) -> None:
        """Check what holds after every step."""
        self.run(self.checks.after_step())

    def teardown(self) -> None:
        """Repair everything, let it come to rest, and compare it with the oracle."""
        try:
            self.run(self._finish())
        finally:
            self.run(self.world.end())

    async def _finish(self) -> None:
        world = self.world
        await world.database_up()
        for one in world.sent:
            if one.record is None:
                world.arrive(one)
        for practice in PRACTICES:
            await world.swap_model(practice, None)
        world.made.clock.at += DAY
        await world.settle()
        for _ in range(2):
            if await world.halted():
                await self.checks.after_step()
                await world.repair()
                await world.settle()
        assert await world.halted() == set()
        await self.checks.at_rest()

    def send(
        self, practice: str, client: str, given: Marks, *, delayed: bool = False, **more: object
    ) -> SentRating:
        """Send the form of a new session."""
        self.sessions += 1
        therapist = self.therapists.setdefault((practice, client), "t1" if client == "c1" else "t2")
        body = {
            "client_id": client, "therapist_id": therapist, "session_id": f"s{self.sessions}",
            "instrument": "srs", **status(given), **more,
        }  # fmt: skip
        return self.world.accept(practice, body, delayed=delayed)

    def rate_course(self, practice: str, client: str, lows: int) -> None:
        """Send weekly sessions up to now, the last of them perhaps low."""
        given = [HIGH[week % 2] for week in range(4)] + [LOW[week] for week in range(lows)]
        for week, form in enumerate(given):
            at = self.world.now - HOUR - WEEK * (len(given) - 1 - week)
            self.send(practice, client, form, session_at=at)

    @rule(practice=practices, client=clients, lows=st.integers(0, 2))
    def rate_a_course(self, practice: str, client: str, lows: int) -> None:
        """Send several weeks at once."""
        self.rate_course(practice, client, lows)

    @rule(service=services, polls=st.integers(1, 4))
    def read(self, service: str, polls: int) -> None:
        """Have a service read some batches."""
        self.run(self.world.read(service, polls))

    @rule()
    def read_all(self) -> None:
        """Have each service read some batches."""
        for service in INPUTS:
            self.run(self.world.read(service, 4))


def status(given: Marks) -> dict[str, Any]:
    """Return the fields of a form, or of one that was declined."""
    return {"status": "declined"} if given is None else {"status": "rated", "items": given}
