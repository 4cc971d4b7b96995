"""A job computes the statistics of each practice's recent ratings, once a week."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest

from services.detector.features.practice_statistics import ENOUGH_CLIENTS
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Retry
from tests.flow.detector.test_sweep import ALL, CountedTransactions, sweep_of
from tests.support.detector.batch_driver import (
    NOW,
    PARTITIONS,
    DetectorDriver,
    SentRating,
    body,
)
from tests.support.detector.statistics import DAY, ROWS, caseload, named, renew, renew_due


async def test_a_row_is_valid_from_the_day_after_its_computation(driver: DetectorDriver) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    ((_, version, valid_from, computed_at, since, clients, forms, values),) = await driver.rows(ROWS)
    assert (version, valid_from) == ("statistics-2026-03-03T00:00", NOW.replace(day=3, hour=0))
    assert (computed_at, since) == (NOW, NOW - 365 * DAY)
    assert (clients, forms, len(values)) == (ENOUGH_CLIENTS, 3 * ENOUGH_CLIENTS, 21)
    assert await driver.rows("SELECT statistics FROM detector.practice") == [(1,)]


async def test_fewer_than_twenty_clients_give_no_row(driver: DetectorDriver) -> None:
    await driver.rate(*caseload(ENOUGH_CLIENTS - 1))
    await renew(driver)
    assert await driver.rows(ROWS) == []


async def test_a_row_is_added_at_most_once_a_week(driver: DetectorDriver) -> None:
    await driver.rate(*caseload())
    numbers = []
    for day in range(14):
        driver.now = NOW + day * DAY
        await renew_due(driver)
        numbers.append(len(await driver.rows(ROWS)))
    assert numbers[:7] == [1] * 7
    assert numbers[-1] == 2


async def test_statistics_are_computed_whether_the_model_reads_them_or_not(detector: DetectorDriver) -> None:
    await detector.rate(*caseload())
    await renew(detector)
    detector.now = NOW + DAY
    published = await detector.rate(body(1.0 / 7, (4, 4, 4), client_id="c1"))
    assert len(await detector.rows(ROWS)) == 1
    assert list(named(published).values()) == [None]


async def test_the_daily_sweep_computes_them(driver: DetectorDriver) -> None:
    await driver.rate(*caseload())
    await sweep_of(driver).sweep(NOW.date())
    assert len(await driver.rows(ROWS)) == 1


async def test_a_practice_whose_statistics_fail_holds_up_neither_the_others_nor_the_sweep(
    driver: DetectorDriver,
) -> None:
    await driver.practice("east")
    await driver.rate(*caseload(), practice="east")
    await driver.rate(*caseload())
    consumer = FailingFor("east", driver)
    sweep = sweep_of(driver, consumer=consumer)
    await sweep.sweep(NOW.date())
    assert [row[0] for row in await driver.rows(ROWS)] == ["north"]
    assert await driver.rows("SELECT count(*) FROM detector.sweep") == [(PARTITIONS,)]


class FailingFor(CountedTransactions):
    """The driver's transactions, except those that add statistics of one practice."""

    def __init__(self, practice: str, driver: DetectorDriver) -> None:
        super().__init__(driver, ALL)
        self._practice = practice

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        if isinstance(work, partial) and work.keywords.get("practice") == self._practice:
            raise Retry("a transaction took too long")
        await super().transact(work)


def expected_mean(sent: Sequence[SentRating]) -> float:
    """Return the mean of the clients' mean levels, 0 to 1."""
    by_client: dict[str, list[float]] = {}
    for one in sent:
        by_client.setdefault(one["client_id"], []).append(sum(one["scores"].values()) / 3 / 4 - 1 / 4)
    return sum(sum(levels) / len(levels) for levels in by_client.values()) / len(by_client)


async def test_only_current_ratings_of_the_last_year_count(driver: DetectorDriver) -> None:
    sent = caseload()
    taken_back = sent[0] | {"status": "withdrawn", "scores": None}
    corrected = sent[1] | {"scores": {"bond": 5, "goal": 5, "task": 5}}
    old = body(-53, (1, 1, 1), client_id="c1", session_id="old")
    declined = body(0, None, client_id="c2", session_id="declined", session_at=NOW - timedelta(hours=1))
    await driver.rate(*sent, old, declined)
    driver.now = NOW + timedelta(minutes=1)
    await driver.rate(taken_back, corrected)
    await renew(driver)
    (row,) = await driver.rows(ROWS)
    assert row[6] == 3 * ENOUGH_CLIENTS - 1 + 1
    assert row[7][0] == pytest.approx(expected_mean([*sent[2:], corrected]), abs=1e-6)
