"""Takes up sessions that wait for their turn, beside the consumer, so that nobody else waits for them.

A client whose transaction fails is taken up alone from then on, between the turns of the others: first many
sessions in a transaction, then one, until the record that cannot be processed is set aside. A fuse keeps what
waits from being set aside one after another: then hardly the records are at fault.
"""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from services.detector.jobs.take_up_blocked import Attempt, Count, Read, Transact, attempt, set_aside
from services.detector.storage import blocked
from services.detector.storage.blocked import RecordPosition, Waiting, WaitingDyad
from services.detector.stream.batch import MOST_FOLDS, Tools
from services.runtime.consumer.fuse import Fuse, FuseBlown
from services.runtime.consumer.self_check import KnownWork, SelfCheck
from services.runtime.http.health import Health
from services.runtime.postgres.connect import Connection
from services.runtime.process.backoff import Backoff
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import RetryReason
from services.runtime.process.errors import Fault, Reject
from services.runtime.process.log import describe, get_logger
from services.runtime.process.retry_reason import retry_reason

DYADS = 20
"""One transaction takes up sessions of at most this many dyads, `MOST_FOLDS` of each."""
MOST_ALONE = 100
"""While this many dyads are alone, none of the others is taken up: then hardly their records are at fault."""
ATTEMPTS = 3
"""How often a record alone is tried that takes too long or collides: a database may be slow for a moment."""
SELF_CHECK_S = 12.0
"""How long known work may take, of which the model needs some milliseconds."""
LOOP = "take-up"
LOOK_EVERY_S = 30.0
"""How often a process looks for what another one left waiting."""


@dataclass(slots=True)
class _Alone:
    """What is known of a dyad whose transaction failed."""

    sessions: int = MOST_FOLDS
    """How many are taken up in one transaction."""
    in_a_row: int = 0
    """How many took effect one by one."""
    failing: RecordPosition | None = None
    """The record that failed alone."""
    attempts: int = 0
    """How often it did."""
    due_s: float = float("-inf")
    """When it is tried again."""
    backoff: Backoff = field(default_factory=Backoff)


class TakeUpInTurn:
    """Runs beside the consumer, in transactions of its own; several processes do not disturb one another."""

    def __init__(
        self,
        transact: Transact,
        tools: Tools,
        many_wait: asyncio.Event,
        *,
        count: Count,
        health: Health,
        clock: Clock,
        known_work: KnownWork,
        fuse: Fuse,
    ) -> None:
        """`many_wait` is set when something was found that has to wait for its turn.

        `known_work` does a little of the same with data that are known to be good, when records took too
        long.
        """
        self._transact = transact
        self._tools = tools
        self._many_wait = many_wait
        self._count = count
        self._health = health
        self._clock = clock
        self._self_check = SelfCheck(
            known_work, SELF_CHECK_S, report_hang=lambda: health.set_hanging(LOOP, is_hanging=True)
        )
        self._fuse = fuse
        self._stopping = asyncio.Event()
        self._backoff = Backoff()
        self._fuse_backoff = Backoff()
        self._alone: dict[WaitingDyad, _Alone] = {}
        """In the order in which they are tried."""
        self._others_until_s = float("-inf")
        """Until when those that are alone leave the time to the others."""

    async def stop(self) -> None:
        """Stop after the current transaction."""
        self._stopping.set()
        self._many_wait.set()

    async def run(self) -> None:
        """Take up until stopped; while database or process fail, after pauses."""
        self._health.set_good(LOOP)
        while not self._stopping.is_set():
            self._many_wait.clear()
            try:
                taken = await self._take_up_others()
                if (dyad := self._due(taken=taken)) is not None and not self._stopping.is_set():
                    began_s = self._clock.monotonic()
                    taken |= await self._take_up_alone(dyad)
                    # What takes long leaves the others as much time.
                    until_s = 2 * self._clock.monotonic() - began_s
                    self._others_until_s = max(self._others_until_s, until_s)
                self._backoff.reset()
                pause_s = 0.0 if taken else self._until_due_s()
            except Exception as error:
                unexpected = None if isinstance(error, Fault) else error
                get_logger().warning("take-up-failed", why=describe(error), exc_info=unexpected)
                pause_s = self._backoff.next_s()
            await self._pause(pause_s)
        self._health.end_loop(LOOP)

    async def _take_up_others(self) -> bool:
        """Take up sessions of those that are not alone; return whether there were any."""
        if len(self._alone) >= MOST_ALONE:
            return False
        dyads: list[WaitingDyad] = []

        async def read(conn: Connection) -> list[Waiting]:
            found = await blocked.read_in_turn(conn, DYADS, MOST_FOLDS, without=self._alone)
            dyads[:] = found
            return [one for waiting in found.values() for one in waiting]

        tried = await self._attempt(read, takes_all_before=True)
        if tried.error is not None:
            tried.failure()
            self._alone |= {dyad: _Alone() for dyad in dyads}
        return bool(tried.waiting)

    async def _take_up_alone(self, dyad: WaitingDyad) -> bool:
        """Take up sessions of one dyad, or what failed of it before; return whether any took effect."""
        alone = self._alone[dyad] = self._alone.pop(dyad)
        if alone.failing is not None:
            read = partial(blocked.read_at, at=alone.failing)
        else:
            read = partial(blocked.read_of_dyad, dyad=dyad, sessions=alone.sessions)
        tried = await self._attempt(read, takes_all_before=alone.sessions > 1)
        if tried.error is not None:
            await self._judge(alone, tried)
            return False
        if alone.failing is not None:
            # It took effect after all, or another process has it.
            alone.failing, alone.attempts = None, 0
            alone.in_a_row += len(tried.waiting)
            alone.backoff.reset()
        elif not tried.waiting or alone.sessions > 1 or alone.in_a_row + 1 >= MOST_FOLDS:
            del self._alone[dyad]
        else:
            alone.in_a_row += 1
        return bool(tried.waiting)

    async def _judge(self, alone: _Alone, tried: Attempt) -> None:
        if len(tried.waiting) > 1:
            tried.failure()
            alone.sessions, alone.in_a_row = 1, 0
            return
        failure = tried.failure(is_last=alone.attempts + 1 >= ATTEMPTS)
        (waiting,) = tried.waiting
        alone.failing, alone.sessions = blocked.position(*waiting), 1
        if failure is not None and not self._may_set_aside(failure):
            return
        if failure is None:
            alone.attempts += 1
            alone.due_s = self._clock.monotonic() + alone.backoff.next_s()
            return
        await self._transact(partial(set_aside, at=alone.failing, failure=failure))
        self._fuse.add([True])
        # The next ones are likely to be good, and quicker together.
        alone.failing, alone.attempts, alone.sessions = None, 0, MOST_FOLDS
        alone.backoff.reset()

    def _may_set_aside(self, failure: Reject) -> bool:
        """Return whether the fuse lets one more record be set aside; if not, those that are alone pause."""
        if (blown := self._blown()) is None:
            return True
        self._health.set_bad(
            LOOP,
            f"{blown}, of what waits for its turn, the last one because of {failure}: no more of it is set"
            " aside until some takes effect; `rapport rejected list` counts what was set aside: remove the"
            " cause, and restart the detector",
        )
        due_s = self._clock.monotonic() + self._fuse_backoff.next_s()
        for alone in self._alone.values():
            alone.due_s = max(alone.due_s, due_s)
        return False

    def _blown(self) -> FuseBlown | None:
        try:
            self._fuse.check([True])
        except FuseBlown as blown:
            return blown
        return None

    def _count_good(self, records: int) -> None:
        self._fuse.add([False] * records)
        if records and self._blown() is None:
            self._fuse_backoff.reset()
            self._health.set_good(LOOP)

    async def _attempt(self, read: Read, *, takes_all_before: bool) -> Attempt:
        self._health.beat(LOOP)
        tried = await attempt(
            self._transact, read, self._tools, self._count, takes_all_before=takes_all_before
        )
        if tried.cause is None:
            self._health.set_hanging(LOOP, is_hanging=False)
            self._count_good(len(tried.waiting))
        elif retry_reason(tried.cause) is RetryReason.TOO_MUCH:
            self._health.beat(LOOP)
            await self._self_check.run(tried.cause)
        return tried

    def _due(self, *, taken: bool) -> WaitingDyad | None:
        now_s = self._clock.monotonic()
        if taken and now_s < self._others_until_s:
            return None
        return next((dyad for dyad, alone in self._alone.items() if alone.due_s <= now_s), None)

    def _until_due_s(self) -> float:
        now_s = self._clock.monotonic()
        return max(0.0, min([LOOK_EVERY_S, *(alone.due_s - now_s for alone in self._alone.values())]))

    async def _pause(self, seconds: float) -> None:
        if not seconds:
            await asyncio.sleep(0)
            return
        pause = asyncio.create_task(self._clock.sleep(seconds))
        found = asyncio.create_task(self._many_wait.wait())
        await asyncio.wait([pause, found], return_when=asyncio.FIRST_COMPLETED)
        for task in (pause, found):
            task.cancel()
