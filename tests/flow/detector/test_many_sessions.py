"""Many sessions of one client take effect in turn, and hold up nobody else's."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest
import structlog

from services.detector.domain import rating_versions
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.jobs.take_up_in_turn import TakeUpInTurn
from services.detector.model.artefact import load
from services.detector.storage.blocked import read_in_turn
from services.detector.stream.batch import MOST_FOLDS
from services.detector.stream.stages import claim, lock
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.self_check import threads_answer
from services.runtime.http.health import Health
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import FuseSettings
from tests.flow.detector.conftest import NewDatabase
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    SentRating,
    body,
    detector_driver,
    record_of,
    tools_with,
)
from tests.support.detector.toy_detector import ToyDetector
from tests.support.invariants import broken, stored_assessments, stored_episodes

GOOD = (4.5, 4.5, 4.5)
LOWER = {"bond": 4.0, "goal": 4.0, "task": 4.0}
OTHERS = 30
WAITING = "SELECT count(*) FROM detector.blocked WHERE reason = 'many-sessions'"
ASSESSED = "SELECT count(*) FROM detector.assessment"


class CountingDetector(ToyDetector):
    """Notes how many forms it had to fold one after another in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.folds: list[int] = []

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own."""
        self.folds.append(max(len(dyad.forms) for dyad in dyads))
        return super().assess(dyads)


def marks(day: int) -> list[float]:
    """Return marks that fall now and then."""
    return [4.6 - (day % 11 in {4, 5}) * 1.9 - (day * part % 7) / 20 for part in (1, 2, 3)]


def many(sessions: int, **more: object) -> list[SentRating]:
    """Return daily ratings of one client, oldest first."""
    return [body((day - sessions) / 7, marks(day), session_id=f"m{day}", **more) for day in range(sessions)]


def others() -> list[SentRating]:
    """Return one rating each of other clients."""
    return [body(0, GOOD, client_id=f"other-{number}") for number in range(OTHERS)]


async def test_two_thousand_sessions_of_one_client_delay_nobody_by_more_than_a_few_folds(
    database_url: str,
) -> None:
    model = CountingDetector()
    async with detector_driver(database_url, model) as detector:
        await detector.practice()
        mixed = [one | {"scores": {"bond": 4.5, "goal": 4.5, "task": 4.5}} for one in many(2_000)]
        for number, other in enumerate(others()):
            mixed.insert(number * 67, other)
        await detector.rate(*mixed)
        assert await detector.rows(ASSESSED) == [(OTHERS,)]
        assert await detector.rows(WAITING) == [(2_000,)]
        # What arrives meanwhile is not behind it either, unless it is about the same client.
        await detector.rate(body(1, GOOD, client_id="other-0"), body(0, GOOD, session_id="newest"))
        assert await detector.rows(ASSESSED) == [(OTHERS + 1,)]
        assert await detector.take_up_in_turn() == -(-2_001 // MOST_FOLDS)
        assert max(model.folds) <= MOST_FOLDS
        assert await detector.rows(ASSESSED) == [(OTHERS + 2_002,)]
        assert await detector.rows(WAITING) == [(0,)]
        assert await broken(detector.conn) == {}


async def _outcome(url: str, batches: Sequence[Sequence[SentRating]]) -> tuple[object, object]:
    async with detector_driver(url, load()) as detector:
        await detector.practice()
        for batch in batches:
            await detector.rate(*batch)
        await detector.take_up_in_turn()
        return await stored_assessments(detector.conn), await stored_episodes(detector.conn)


async def test_the_outcome_is_that_of_one_fold_to_the_last_digit(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = many(130)
    with new_database() as url:
        in_turn = await _outcome(url, [sent[::-1]])
    with new_database() as url:
        late = await _outcome(url, [sent[60:], sent[:60]])
    for stage in (claim, lock):
        monkeypatch.setattr(stage, "MOST_FOLDS", 1_000)
    with new_database() as url:
        at_once = await _outcome(url, [sent])
    assert in_turn == at_once
    assert late == at_once


async def test_sessions_that_arrive_newest_first_are_not_assessed_again_and_again(database_url: str) -> None:
    model = CountingDetector()
    async with detector_driver(database_url, model) as detector:
        await detector.practice()
        await detector.rate(*many(300)[::-1])
        await detector.take_up_in_turn()
        assert sum(model.folds) == 300


async def test_sessions_that_precede_assessed_ones_are_taken_up_together(database_url: str) -> None:
    model = CountingDetector()
    sent = many(600)[::-1]
    async with detector_driver(database_url, model) as detector:
        await detector.practice()
        await detector.rate(*sent[:100])
        await detector.take_up_in_turn(turns=1)
        await detector.rate(*sent[100:])
        await detector.take_up_in_turn()
        # What was assessed first is assessed once more, with all that precedes it.
        assert sum(model.folds) == MOST_FOLDS + 600
        assert await broken(detector.conn) == {}


async def test_a_history_that_is_corrected_as_a_whole_is_assessed_once_more(database_url: str) -> None:
    model = CountingDetector()
    async with detector_driver(database_url, model) as detector:
        await detector.practice()
        await detector.rate(*many(300))
        await detector.take_up_in_turn()
        model.folds.clear()
        later = NOW + timedelta(hours=1)
        await detector.rate(*[one | {"recorded_at": later, "scores": LOWER} for one in many(300)])
        await detector.take_up_in_turn()
        assert sum(model.folds) == 300
        assert await detector.rows(ASSESSED) == [(300,)]
        assert await broken(detector.conn) == {}


async def test_practices_take_turns_however_many_clients_one_of_them_has(detector: DetectorDriver) -> None:
    await detector.practice("south")
    for number in range(3):
        await detector.rate(*many(MOST_FOLDS + 1, client_id=f"client-{number}"))
    await detector.rate(*many(MOST_FOLDS + 1), practice="south")
    taken = await read_in_turn(detector.conn, dyads=2, sessions=1)
    assert {dyad.practice_id for dyad in taken} == {"north", "south"}


async def test_a_rating_before_the_newest_of_a_long_history_waits_and_takes_effect(
    database_url: str,
) -> None:
    model = CountingDetector()
    async with detector_driver(database_url, model) as detector:
        await detector.practice()
        await detector.rate(*many(MOST_FOLDS + 10))
        await detector.take_up_in_turn()
        model.folds.clear()
        await detector.rate(body(0, GOOD), *others())
        assert await detector.rows(WAITING) == [(0,)]
        await detector.rate(body(-3.5, GOOD), body(1, GOOD, client_id="other-0"))
        assert await detector.rows(WAITING) == [(1,)]
        assert max(model.folds) == 1
        await detector.take_up_in_turn()
        assert await detector.rows(ASSESSED) == [(MOST_FOLDS + 10 + 2 + OTHERS + 1,)]
        assert await broken(detector.conn) == {}


async def test_a_course_of_therapy_has_a_greatest_number_of_sessions(
    detector: DetectorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rating_versions, claim):
        monkeypatch.setattr(module, "MOST_SESSIONS_OF_DYAD", 20)
    sent = many(25)
    await detector.rate(*sent[:15])
    await detector.rate(*sent[15:])
    assert await detector.rows("SELECT reason, count(*) FROM detector.rejection GROUP BY 1") == [
        ("too-many-sessions", 5)
    ]
    # Those that are stored can still be corrected and taken back, and another client is not concerned.
    await detector.rate(sent[3] | {"scores": {"bond": 2.0, "goal": 2.0, "task": 2.0}})
    await detector.rate(sent[4] | {"status": "withdrawn", "scores": None})
    await detector.rate(*others())
    assert await detector.rows(ASSESSED) == [(20 + OTHERS,)]
    assert await detector.rows("SELECT count(*) FROM detector.rejection") == [(5,)]
    assert await broken(detector.conn) == {}


class FailingDetector(ToyDetector):
    """Fails at every batch with the form of one session."""

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own."""
        if any(form.order.session_id == "m3" for dyad in dyads for form in dyad.forms):
            raise ZeroDivisionError
        return super().assess(dyads)


async def test_a_session_that_cannot_be_processed_is_set_aside_and_holds_up_no_other(
    database_url: str,
) -> None:
    clock = ManualClock(NOW)
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        await detector.rate(*many(60), *many(55, client_id="other"))
        in_turn = TakeUpInTurn(
            detector.transact,
            tools_with(FailingDetector()),
            asyncio.Event(),
            count=lambda _batch, _at_s: None,
            health=Health(clock, Metrics("detector", topics=[])),
            clock=clock,
            known_work=threads_answer,
            fuse=Fuse(FuseSettings()),
        )
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        running = asyncio.create_task(in_turn.run())
        async with asyncio.timeout(60):
            while await reading.rows(WAITING) != [(0,)]:
                clock.move(60)
        await in_turn.stop()
        await running
        structlog.reset_defaults()
        found = await reading.rows("SELECT reason, subject_id IS NULL FROM detector.rejection")
        assert found == [("unprocessable", False)] * 2
        assert await reading.rows(ASSESSED) == [(60 + 55 - 2,)]
        assert await broken(reading.conn) == {}


async def test_a_record_that_waits_and_is_read_again_waits_once(detector: DetectorDriver) -> None:
    records = [record_of(one, offset) for offset, one in enumerate(many(MOST_FOLDS + 1))]
    await detector.feed(records)
    await detector.feed(records)
    assert await detector.rows(WAITING) == [(len(records),)]
    await detector.take_up_in_turn()
    await detector.feed(records)
    await detector.take_up_in_turn()
    assert await detector.rows(ASSESSED) == [(len(records),)]
    assert await detector.rows("SELECT count(*) FROM detector.duplicate") == [(0,)]
