"""Where all that waits fails, little of it is set aside, and the others wait until it is repaired."""

from collections.abc import Awaitable, Callable, Sequence

import pytest

from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.jobs import take_up_in_turn
from services.detector.jobs.take_up_in_turn import LOOP
from services.detector.stream.batch import MOST_FOLDS
from services.runtime.http.health import Health
from services.runtime.process.metrics import Metrics
from tests.flow.detector.test_many_sessions import WAITING, many
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    detector_driver,
    tools_with,
)
from tests.support.detector.take_up import taking_up, until
from tests.support.detector.toy_detector import ToyDetector

REJECTED = "SELECT FROM detector.rejection"


class Defect(ToyDetector):
    """Fails at every session but those of one client; notes how often."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = 0
        self.is_repaired = False

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own."""
        if not self.is_repaired and any(
            form.order.session_id[0] == "m" for dyad in dyads for form in dyad.forms
        ):
            self.failed += 1
            raise ZeroDivisionError
        return super().assess(dyads)

    async def has_failed_often(self) -> bool:
        """Return whether it was tried more often than there would be to set aside."""
        return self.failed > 30


async def until_on(clock: ManualClock, holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it holds; a second passes at each look."""

    async def look() -> bool:
        clock.move(1)
        return await holds()

    await until(look)


async def until_nothing_waits(clock: ManualClock, reading: DetectorDriver) -> None:
    """Wait until all that waited took effect or was set aside; a second passes at each look."""

    async def nothing_waits() -> bool:
        return await reading.rows(WAITING) == [(0,)]

    await until_on(clock, nothing_waits)


async def test_a_defect_that_fails_on_all_that_waits_does_not_have_all_of_it_set_aside(
    database_url: str,
) -> None:
    clock, model = ManualClock(NOW), Defect()
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        await detector.rate(*many(MOST_FOLDS + 1))
        health = Health(clock, Metrics("detector"))
        async with taking_up(detector.transact, tools_with(model), health, clock=clock):
            await until_on(clock, model.has_failed_often)
            while_failing = len(await reading.rows(REJECTED)), await reading.rows(WAITING), health.healthy
            why = health.checks[LOOP]
            model.is_repaired = True
            await until_nothing_waits(clock, reading)
            assert health.healthy
    assert while_failing == (10, [(MOST_FOLDS + 1 - 10,)], False)
    assert why.startswith("11 records in a row could not be processed, of what waits for its turn")
    assert "unprocessable: ZeroDivisionError" in why


async def test_while_many_are_alone_none_of_the_others_is_taken_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_up_in_turn, "DYADS", 1)
    monkeypatch.setattr(take_up_in_turn, "MOST_ALONE", 2)
    clock, model = ManualClock(NOW), Defect()
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        for number in range(3):
            await detector.rate(*many(MOST_FOLDS + 1, client_id=f"client-{number}"))
        health = Health(clock, Metrics("detector"))
        async with taking_up(detector.transact, tools_with(model), health, clock=clock):
            await until_on(clock, model.has_failed_often)
            untouched = await reading.rows(
                "SELECT client_id FROM detector.blocked GROUP BY 1 HAVING count(*) = %s", (MOST_FOLDS + 1,)
            )
            model.is_repaired = True
            await until_nothing_waits(clock, reading)
    assert untouched == [("client-2",)]
