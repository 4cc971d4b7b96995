"""The daily sweep covers every owned partition once a day, a limited number of dyads at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from math import isnan, nan

import pytest
from prometheus_client import CollectorRegistry

from services.detector.jobs.daily_sweep import DailySweep
from services.detector.metrics import DetectorMetrics
from services.runtime.http.health import Health
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.retention import Retention
from services.runtime.process.metrics import Metrics
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import NOW, PARTITIONS, DetectorDriver, body

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
LATER = (NOW + timedelta(days=60)).date()
ALL = frozenset(range(PARTITIONS))


class CountedTransactions:
    """The driver's transactions in place of the consumer's, with the partitions it owns."""

    def __init__(self, detector: DetectorDriver, owned: frozenset[int]) -> None:
        self._detector = detector
        self._owned = owned
        self.transactions = 0

    def owned_partitions(self, topic: str) -> frozenset[int]:
        return self._owned

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        self.transactions += 1
        await self._detector.transact(work)


def sweep_of(
    detector: DetectorDriver,
    owned: frozenset[int] = ALL,
    max_dyads: int = 100,
    consumer: CountedTransactions | None = None,
    metrics: DetectorMetrics | None = None,
    clock: ManualClock | None = None,
) -> DailySweep:
    clock = clock or ManualClock(NOW)
    return DailySweep(
        consumer or CountedTransactions(detector, owned),
        detector.tools,
        metrics=metrics or DetectorMetrics(CollectorRegistry()),
        health=Health(clock, Metrics("detector")),
        clock=clock,
        retention=Retention("detector", (), CollectorRegistry()),
        every_s=60,
        max_dyads=max_dyads,
    )


@pytest.fixture
async def five_open(detector: DetectorDriver) -> DetectorDriver:
    """Five clients with an open episode each."""
    for client in range(5):
        who = {"client_id": f"client-{client}"}
        await detector.rate(
            *[body(week, GOOD, session_id=f"{client}:{week}", **who) for week in (-4, -3, -2)],
            body(-1, LOW, session_id=f"{client}:-1", **who),
        )
    return detector


async def states(detector: DetectorDriver) -> list[str]:
    return [state for (state,) in await detector.rows("SELECT state FROM detector.episode ORDER BY state")]


async def test_a_sweep_covers_all_dyads_in_several_transactions(five_open: DetectorDriver) -> None:
    await sweep_of(five_open, max_dyads=2).sweep(LATER)
    assert await states(five_open) == ["unrepaired"] * 5


async def test_a_sweep_leaves_the_partitions_of_others_alone(five_open: DetectorDriver) -> None:
    ((partition,),) = await five_open.rows("SELECT min(partition) FROM detector.dyad")
    await sweep_of(five_open, frozenset([partition])).sweep(LATER)
    ((left,),) = await five_open.rows("SELECT count(*) FROM detector.dyad WHERE open_since IS NOT NULL")
    ((others,),) = await five_open.rows(
        "SELECT count(*) FROM detector.dyad WHERE partition <> %s", (partition,)
    )
    assert left == others > 0


async def test_a_day_that_was_swept_and_earlier_days_are_not_swept_again(five_open: DetectorDriver) -> None:
    await sweep_of(five_open).sweep(LATER)
    await five_open.rows("UPDATE detector.dyad SET open_since = '2026-01-01' RETURNING 1")
    await sweep_of(five_open).sweep(LATER)
    await sweep_of(five_open).sweep(LATER - timedelta(days=1))
    assert await five_open.rows("SELECT DISTINCT day FROM detector.sweep") == [(LATER,)]
    assert await five_open.rows("SELECT count(*) FROM detector.dyad WHERE open_since IS NULL") == [(0,)]


async def test_a_clock_that_was_ahead_does_not_switch_the_sweep_off(five_open: DetectorDriver) -> None:
    await sweep_of(five_open).sweep(LATER + timedelta(days=400))
    await five_open.rows("UPDATE detector.dyad SET open_since = '2026-01-01' RETURNING 1")

    await sweep_of(five_open).sweep(LATER)

    assert await five_open.rows("SELECT DISTINCT day FROM detector.sweep") == [(LATER,)]
    assert await five_open.rows("SELECT count(*) FROM detector.dyad WHERE open_since IS NOT NULL") == [(0,)]


async def test_the_day_is_the_databases_whatever_our_clock_shows(five_open: DetectorDriver) -> None:
    ahead, registry = ManualClock(datetime.now(UTC) + timedelta(days=400)), CollectorRegistry()
    sweep = sweep_of(five_open, clock=ahead, metrics=DetectorMetrics(registry))
    first_day = datetime.now(UTC).date()
    running = asyncio.create_task(sweep.run())
    async with asyncio.timeout(30):
        while isnan(registry.get_sample_value("rapport_last_sweep_timestamp_seconds") or nan):  # noqa: ASYNC110 - a metric has no event
            await asyncio.sleep(0.05)
    await sweep.stop()
    await running
    days = await five_open.rows("SELECT DISTINCT day FROM detector.sweep")
    assert days in ([(first_day,)], [(datetime.now(UTC).date(),)])


async def test_nothing_is_swept_while_no_partition_is_owned(five_open: DetectorDriver) -> None:
    await sweep_of(five_open, frozenset()).sweep(LATER)
    assert await states(five_open) == ["open"] * 5


async def test_open_episodes_are_counted_by_those_who_own_a_partition(five_open: DetectorDriver) -> None:
    registry = CollectorRegistry()
    metrics = DetectorMetrics(registry)

    def counted() -> float | None:
        return registry.get_sample_value("rapport_episodes_open")

    await sweep_of(five_open, metrics=metrics).sweep(LATER)
    before_it_closed_them = counted()
    await sweep_of(five_open, metrics=metrics).sweep(LATER)
    assert (before_it_closed_them, counted()) == (5, 0)
    await sweep_of(five_open, frozenset(), metrics=metrics).sweep(LATER)
    assert isnan(counted() or 0)
