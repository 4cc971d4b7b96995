"""The steps in which practices send ratings: in order, late, twice, corrected, moved and taken back."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from schemas import topics
from services.runtime.kafka.record import Outgoing
from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.deployment import PRACTICES
from tests.support.whole_flow.world import SentRating

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
Marks = tuple[float, ...] | None
"""None: the form is declined."""
Result = TypeVar("Result")
HIGH = ((9.0, 8.8, 9.2, 9.0), (8.7, 9.1, 8.9, 9.3))
LOW = ((3.1, 2.4, 3.5, 2.8), (5.2, 1.9, 4.8, 4.1))

practices, clients = st.sampled_from(PRACTICES), st.sampled_from(("c1", "c2"))
marks = st.sampled_from((*HIGH, *LOW, (0.5, 0.4, 0.8, 0.6), None))
any_one = st.integers(0, 40)
"""Chooses one of however many there are."""


class PracticeSteps(RuleBasedStateMachine):
    """The steps of practices, which send ratings; the other steps are added to them."""

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

    @initialize()
    def begin(self) -> None:
        """Start with nothing."""
        self.checks.begin()
        self.run(self.world.begin())

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

    def pick(self, number: int) -> SentRating | None:
        """Return one of the deliveries so far."""
        return self.world.sent[number % len(self.world.sent)] if self.world.sent else None

    @rule(practice=practices, client=clients, lows=st.integers(0, 2))
    def rate_a_course(self, practice: str, client: str, lows: int) -> None:
        """Send weekly sessions up to now, the last of them perhaps low."""
        given = [HIGH[week % 2] for week in range(4)] + [LOW[week] for week in range(lows)]
        for week, form in enumerate(given):
            at = self.world.now - HOUR - WEEK * (len(given) - 1 - week)
            self.send(practice, client, form, session_at=at)

    @rule(
        practice=practices, client=clients, given=marks, ago=st.sampled_from((0, 3, 10)),
        following=st.sampled_from((None, 1, 7)), delayed=st.booleans(),
    )  # fmt: skip
    def rate(
        self, practice: str, client: str, given: Marks, ago: int, following: int | None, *, delayed: bool
    ) -> None:
        """Send a session of today or a late one; it may reach the log later than others."""
        now = self.world.now
        more = {} if following is None else {"next_session_at": now + DAY * following}
        self.send(practice, client, given, session_at=now - DAY * ago, delayed=delayed, **more)

    @rule(number=any_one)
    def arrive(self, number: int) -> None:
        """Let a delayed rating reach the log."""
        waiting = [one for one in self.world.sent if one.record is None]
        if waiting:
            self.world.arrive(waiting[number % len(waiting)])

    @rule(number=any_one)
    def send_again(self, number: int) -> None:
        """Send a rating a second time."""
        if (sent := self.pick(number)) is not None:
            self.world.accept(sent.practice, sent.body)

    @rule(number=any_one, given=marks, recorded=st.sampled_from((None, -60, -1, 0)))
    def correct(self, number: int, given: Marks, recorded: int | None) -> None:
        """Send a session with other marks, perhaps with the hour at which they were recorded."""
        if (sent := self.pick(number)) is not None:
            self.world.accept(sent.practice, self.changed(sent, recorded, **status(given)))

    @rule(number=any_one, kind=st.sampled_from(("withdrawn", "cancelled")))
    def withdraw(self, number: int, kind: str) -> None:
        """Take a rating back."""
        if (sent := self.pick(number)) is not None:
            self.world.accept(sent.practice, self.changed(sent, None, status=kind))

    @rule(number=any_one, given=marks, filed_first=st.booleans())
    def move(self, number: int, given: Marks, *, filed_first: bool) -> None:
        """File a session under the other therapist, and take it back under this one."""
        if (sent := self.pick(number)) is None:
            return
        taken_back = self.changed(sent, None, status="withdrawn")
        filed = self.changed(sent, None, therapist_id=other(sent.body["therapist_id"]), **status(given))
        for body in (filed, taken_back) if filed_first else (taken_back, filed):
            self.world.accept(sent.practice, body)

    @rule(practice=practices, client=clients)
    def go_on_with_another_therapist(self, practice: str, client: str) -> None:
        """File a client's next sessions under the other therapist."""
        before = self.therapists.get((practice, client), "t1" if client == "c1" else "t2")
        self.therapists[practice, client] = other(before)

    @rule(number=any_one, given=marks)
    def use_an_id_twice(self, number: int, given: Marks) -> None:
        """Send one id with two bodies."""
        if (sent := self.pick(number)) is not None:
            id_ = f"id-{len(self.world.sent)}"
            for form in (given, (7.0, 7.0, 7.0, 7.0)):
                self.world.accept(sent.practice, self.changed(sent, None, id=id_, **status(form)))

    @rule(practice=practices, client=clients)
    def send_what_cannot_be_scored(self, practice: str, client: str) -> None:
        """Send marks that do not fit, and bytes that are no event."""
        at = self.world.now - HOUR
        sent = self.send(practice, client, (9.0, 9.0), session_at=at)
        self.world.log.append(Outgoing(topics.SESSION_RATED.name, sent.out.key, b"{"))

    def changed(self, sent: SentRating, recorded: int | None, **fields: object) -> dict[str, Any]:
        """Return another body of the same session; it has no id, and a time of its recording if given."""
        body = {
            name: value for name, value in sent.body.items() if name not in {"items", "id", "recorded_at"}
        }
        if fields.get("status", "rated") == "rated" and "items" not in fields:
            fields["items"] = HIGH[0]
        when = {} if recorded is None else {"recorded_at": self.world.now + HOUR * recorded}
        return {**body, "status": "rated", **when, **fields}


def status(given: Marks) -> dict[str, Any]:
    """Return the fields of a form, or of one that was declined."""
    return {"status": "declined"} if given is None else {"status": "rated", "items": given}


def other(therapist: str) -> str:
    """Return the other therapist."""
    return "t2" if therapist == "t1" else "t1"
