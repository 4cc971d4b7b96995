"""What cannot take effect yet waits: for its session to be taken back elsewhere, or for a model."""

import asyncio
from datetime import timedelta
from itertools import permutations
from math import isnan

import pytest
from prometheus_client import CollectorRegistry

from schemas import topics
from schemas.events import Answer
from services.detector.metrics import DetectorMetrics
from services.detector.storage.lost_log import forget_log_end, known_records
from services.detector.storage.model_activations import activate
from services.detector.stream.pipeline import process
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.cli_plugin import LogEnd
from services.runtime.process.errors import Collision
from tests.flow.detector.test_sweep import ALL, sweep_of
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    SentRating,
    answer_of,
    body,
    detector_driver,
    record_of,
    tools_with,
)
from tests.support.detector.toy_detector import ToyDetector
from tests.support.invariants import broken, deliveries
from tests.support.postgres import wait_until_blocked

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
WAITING = 'SELECT reason, rating_id FROM detector.blocked ORDER BY partition, "offset"'
MINUTE = timedelta(minutes=1)
RATED = body(0, GOOD, id="rated")
TAKEN_BACK = body(0, status="withdrawn", id="taken-back")
FILED_AGAIN = body(0, LOW, therapist_id="therapist-2", id="filed-again")
IN_ORDER = (RATED, TAKEN_BACK, FILED_AGAIN)
CURRENT = """
SELECT d.therapist_id, r.rating_id, r.current, a.risk
FROM detector.rating r JOIN detector.dyad d USING (dyad_id)
LEFT JOIN detector.assessment a ON a.dyad_id = r.dyad_id AND a.rating_id = r.rating_id ORDER BY 2
"""
MOVED = [
    ("therapist-2", "filed-again", True, 0.9),
    ("therapist-1", "rated", False, None),
    ("therapist-1", "taken-back", True, None),
]


@pytest.mark.parametrize("order", [*permutations(IN_ORDER)], ids=lambda o: " ".join(one["id"] for one in o))
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_a_session_moves_to_another_therapist_whatever_is_read_first(
    detector: DetectorDriver, order: tuple[SentRating, ...], *, together: bool
) -> None:
    records = [
        record_of(one, offset, accepted_at=NOW + IN_ORDER.index(one) * MINUTE)
        for offset, one in enumerate(order)
    ]
    for batch in [records] if together else [[record] for record in records]:
        await detector.feed(batch)
    assert await detector.rows(CURRENT) == MOVED
    assert await detector.rows(WAITING) == []
    assert await broken(detector.conn) == {}
    assert sum((await deliveries(detector.conn)).values()) == 3


async def test_a_session_that_stays_with_another_therapist_waits_and_is_not_told(
    detector: DetectorDriver,
) -> None:
    await detector.rate(RATED)
    assert await detector.rate(FILED_AGAIN) == []
    assert await detector.rows(WAITING) == [("session-in-other-dyad", "filed-again")]
    await detector.feed([record_of(FILED_AGAIN, 1)])
    assert len(await detector.rows(WAITING)) == 1
    assert await detector.rows("SELECT FROM detector.rejection") == []


async def test_a_delivery_that_is_repeated_while_it_waits_is_a_duplicate_once_it_takes_effect(
    detector: DetectorDriver,
) -> None:
    await detector.rate(RATED)
    await detector.rate(FILED_AGAIN)
    await detector.rate(FILED_AGAIN)
    await detector.rate(TAKEN_BACK, accepted_at=NOW + MINUTE)
    assert await detector.rows(WAITING) == []
    found = await deliveries(detector.conn)
    assert found == {"assessed": 2, "superseded": 1, "duplicate": 1, "rejected": 0}


async def _open(place: DetectorDriver, sent: SentRating, offset: int) -> None:
    record = record_of(sent, offset, accepted_at=NOW + offset * MINUTE)
    await process(Transaction(place.conn, NOW, "cluster-1"), [record], place.tools)


async def test_what_is_blocked_while_the_session_is_taken_back_is_not_forgotten(
    detector: DetectorDriver, database_url: str
) -> None:
    await detector.rate(RATED)
    async with detector_driver(database_url) as second:
        await _open(second, FILED_AGAIN, 2)  # blocked, and not committed yet
        taking_back = asyncio.create_task(_open(detector, TAKEN_BACK, 1))
        await _until_waiting(database_url, second)
        await second.conn.commit()
        with pytest.raises(Collision):
            await taking_back
        await detector.conn.rollback()
        await detector.feed([record_of(TAKEN_BACK, 1, accepted_at=NOW + MINUTE)])
    assert await detector.rows(CURRENT) == MOVED


async def test_what_is_taken_back_while_it_blocks_blocks_no_more(
    detector: DetectorDriver, database_url: str
) -> None:
    await detector.rate(RATED)
    async with detector_driver(database_url) as second:
        await _open(detector, TAKEN_BACK, 1)  # not committed yet
        filing = asyncio.create_task(_open(second, FILED_AGAIN, 2))
        await _until_waiting(database_url, detector)
        await detector.conn.commit()
        with pytest.raises(Collision):
            await filing
        await second.conn.rollback()
        await second.feed([record_of(FILED_AGAIN, 2)])
    assert await detector.rows(CURRENT) == MOVED


async def _until_waiting(url: str, holder: DetectorDriver) -> None:
    await asyncio.to_thread(wait_until_blocked, url, holder.conn.info.backend_pid)


async def _map(detector: DetectorDriver, version: str | None) -> None:
    await activate(detector.conn, ["north"], version, NOW)
    await detector.conn.commit()


async def test_a_model_that_is_not_loaded_stops_its_practice_alone(detector: DetectorDriver) -> None:
    await detector.rate(body(-1, GOOD))
    await _map(detector, "toy-9")
    north = record_of(body(0, GOOD, id="north"), 1)
    south = record_of(body(0, GOOD, id="south"), 2, practice="south")
    answer = answer_of(body(0, GOOD), "6f0c0a52-62a0-4b7f-a1f5-6a3f2a7c9d10", Answer.DISCUSSED, 1)
    await detector.feed([north, south, answer])
    assert await detector.rows("SELECT session_id FROM detector.assessment ORDER BY 1") == [("s-1",), ("s0",)]
    assert set(await detector.rows(WAITING)) == {("model-not-loaded", "north"), ("model-not-loaded", None)}
    await detector.take_up_blocked()
    assert len(await detector.rows(WAITING)) == 2

    detector.tools = tools_with(ToyDetector(), ToyDetector("toy-9"))
    await detector.take_up_blocked()
    assert await detector.rows(WAITING) == []
    assert await detector.rows("SELECT model_version FROM detector.assessment WHERE rating_id = 'north'") == [
        ("toy-9",)
    ]
    assert await detector.rows("SELECT answer FROM detector.response") == [("discussed",)]
    assert await broken(detector.conn) == {}


async def test_what_nothing_blocks_any_more_is_taken_up_by_the_sweep(detector: DetectorDriver) -> None:
    await detector.rate(RATED)
    await detector.rate(FILED_AGAIN)
    await detector.rows("DELETE FROM detector.rating WHERE rating_id = 'rated' RETURNING 1")
    await detector.take_up_blocked()
    assert await detector.rows(WAITING) == []
    assert await detector.rows("SELECT rating_id FROM detector.rating") == [("filed-again",)]


async def test_a_gauge_says_since_when_something_waits(detector: DetectorDriver) -> None:
    registry = CollectorRegistry()
    metrics = DetectorMetrics(registry)

    async def since(owned: frozenset[int] = ALL) -> float | None:
        await sweep_of(detector, owned, metrics=metrics).sweep(NOW.date())
        since_s = registry.get_sample_value("rapport_blocked_oldest_timestamp_seconds")
        return None if since_s is None or isnan(since_s) else since_s

    assert await since() is None
    await detector.rate(RATED)
    await detector.rate(FILED_AGAIN)
    detector.now += MINUTE
    await detector.rate({**FILED_AGAIN, "id": "filed-once-more", "session_id": "s0"})
    assert await since() == NOW.timestamp()
    assert await since(frozenset([1])) is None  # another detector looks
    await detector.rate(TAKEN_BACK)
    assert await since() is None


async def test_a_record_that_waits_keeps_waiting_when_its_place_in_the_log_is_taken_by_another(
    detector: DetectorDriver,
) -> None:
    moved = {"therapist_id": "therapist-2"}
    lost = record_of(body(0, GOOD, id="lost", **moved), 2)
    written_later = record_of(body(-1, GOOD, id="written-later", **moved), 2)
    assert (lost.partition, lost.offset) == (written_later.partition, written_later.offset)
    await detector.rate(body(-1, GOOD), body(0, GOOD))
    await detector.feed([lost])
    end = LogEnd("cluster-1", topics.SESSION_RATED.name, lost.partition, 2)

    (known,) = await known_records(detector.conn, end)
    assert known.matches(lost.key, lost.value)
    assert not known.matches(written_later.key, written_later.value)
    named = await forget_log_end(detector.conn, end, "cluster-1~lost")
    await detector.conn.commit()
    assert named == ["rating lost of north (offset 2): stored, and waits"]

    await detector.feed([written_later])
    waiting = await detector.rows("SELECT rating_id FROM detector.blocked ORDER BY 1")
    assert waiting == [("lost",), ("written-later",)]
    back = [body(week, status="withdrawn") for week in (-1, 0)]
    detector.offset = 3
    await detector.rate(*back, accepted_at=NOW + MINUTE)
    assert await detector.rows("SELECT FROM detector.blocked") == []
    rows = await detector.rows("SELECT rating_id FROM detector.rating WHERE current AND marks IS NOT NULL")
    assert {one for (one,) in rows} == {"lost", "written-later"}
