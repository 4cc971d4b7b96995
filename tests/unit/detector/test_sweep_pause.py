"""The sweep pauses as long as its setting says, and no setting is without effect."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from services.detector.jobs.daily_sweep import DailySweep
from services.detector.metrics import DetectorMetrics
from services.detector.settings import DetectorSettings
from services.runtime.http.health import Health
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.retention import Retention
from services.runtime.process.metrics import Metrics
from services.runtime.process.wrong_settings import wrong_settings
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import tools_with
from tests.support.detector.toy_detector import ToyDetector


class CountedLooks:
    """A consumer without partitions that counts how often the sweep looks for some."""

    def __init__(self) -> None:
        self.count = 0

    def owned_partitions(self, _topic: str) -> frozenset[int]:
        self.count += 1
        return frozenset()

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        raise AssertionError("nothing is due without a partition")


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_sweep_looks_again_after_its_pause_and_not_before() -> None:
    clock, consumer = ManualClock(), CountedLooks()
    sweep = DailySweep(
        consumer,
        tools_with(ToyDetector()),
        metrics=DetectorMetrics(CollectorRegistry()),
        health=Health(clock, Metrics("detector")),
        clock=clock,
        retention=Retention("detector", (), CollectorRegistry()),
        every_s=45,
        max_dyads=1,
    )
    running = asyncio.create_task(sweep.run())
    await _settle()
    at_start = consumer.count
    clock.move(44)
    await _settle()
    before_the_pause_ended = consumer.count
    clock.move(1)
    await _settle()
    await sweep.stop()
    await running

    assert at_start == before_the_pause_ended > 0
    assert consumer.count == 2 * at_start


@pytest.mark.parametrize(("seconds", "said"), [(0, "more than 0"), (61, "at most 60"), (3600, "at most 60")])
def test_a_pause_that_would_have_no_effect_is_refused_and_the_limit_named(seconds: float, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DetectorSettings.model_validate({"sweep_every_s": seconds})
    (explained,) = wrong_settings(refused.value)
    assert explained.startswith(f"DETECTOR_SWEEP_EVERY_S must be {said}. ")
