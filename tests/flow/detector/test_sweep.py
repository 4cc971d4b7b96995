"""The daily sweep: every owned partition once a day, in slices, whoever does it."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta

import pytest
from prometheus_client import CollectorRegistry

from services.detector.jobs.daily_sweep import DailySweep
from services.detector.metrics import DetectorMetrics
from services.runtime.http.health import Health
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.metrics import Metrics
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import NOW, PARTITIONS, Stage, body

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
LATER = (NOW + timedelta(days=60)).date()
ALL = frozenset(range(PARTITIONS))


class Borrowed:
    """The stage's transactions, as the consumer lends its own, with the partitions it owns."""

    def __init__(self, detector: Stage, owned: frozenset[int]) -> None:
        self._detector = detector
        self._owned = owned
        self.transactions = 0

    def owned_partitions(self, topic: str) -> frozenset[int]:
        return self._owned

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        self.transactions += 1
        await self._detector.transact(work)


def sweep_of(detector: Stage, owned: frozenset[int] = ALL, max_dyads: int = 100) -> DailySweep:
    clock = ManualClock(NOW)
    return DailySweep(
        Borrowed(detector, owned),
        detector.tools,
        metrics=DetectorMetrics(CollectorRegistry()),
        health=Health(clock, Metrics("detector")),
        clock=clock,
        every_s=3600,
        max_dyads=max_dyads,
    )


@pytest.fixture
async def five_open(detector: Stage) -> Stage:
    """Five clients with an open episode each."""
    for client in range(5):
        who = {"client_id": f"client-{client}"}
        await detector.rate(
            *[body(week, GOOD, session_id=f"{client}:{week}", **who) for week in (-4, -3, -2)],
            body(-1, LOW, session_id=f"{client}:-1", **who),
        )
    return detector


async def states(detector: Stage) -> list[str]:
    return [state for (state,) in await detector.rows("SELECT state FROM detector.episode ORDER BY state")]


async def test_a_sweep_goes_over_all_dyads_in_slices(five_open: Stage) -> None:
    await sweep_of(five_open, max_dyads=2).sweep(LATER)
    assert await states(five_open) == ["unrepaired"] * 5


async def test_a_sweep_leaves_the_partitions_of_others_alone(five_open: Stage) -> None:
    ((partition,),) = await five_open.rows("SELECT min(partition) FROM detector.dyad")
    await sweep_of(five_open, frozenset([partition])).sweep(LATER)
    ((left,),) = await five_open.rows("SELECT count(*) FROM detector.dyad WHERE open_since IS NOT NULL")
    ((others,),) = await five_open.rows(
        "SELECT count(*) FROM detector.dyad WHERE partition <> %s", (partition,)
    )
    assert left == others


async def test_a_day_is_swept_once(five_open: Stage) -> None:
    await sweep_of(five_open).sweep(LATER)
    again = sweep_of(five_open)
    await again.sweep(LATER)
    await again.sweep(LATER - timedelta(days=1))
    assert await five_open.rows("SELECT DISTINCT day FROM detector.sweep") == [(LATER,)]
    assert isinstance(LATER, date)


async def test_nothing_is_swept_while_no_partition_is_owned(five_open: Stage) -> None:
    await sweep_of(five_open, frozenset()).sweep(LATER)
    assert await states(five_open) == ["open"] * 5
