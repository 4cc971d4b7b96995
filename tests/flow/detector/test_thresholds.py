"""A practice's own thresholds are computed for its share of false alarms and valid from the next day on."""

from datetime import timedelta

from schemas import topics
from services.detector.domain.dated_rows import START_AFTER
from services.detector.domain.reference import QUANTITIES, Bins, Reference
from services.detector.domain.thresholds import shifted_threshold
from services.detector.jobs.renew_thresholds import ENOUGH_SESSIONS, start_thresholds
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, tools_with
from tests.support.detector.statistics import renew, renew_due
from tests.support.detector.toy_detector import ToyDetector

GOOD = (4.5, 4.5, 4.5)


ROWS = "SELECT value, model_version FROM detector.threshold ORDER BY computed_at"
REFERENCE = Reference(
    model_version="toy-1",
    sessions=1,
    shares=dict.fromkeys(QUANTITIES, Bins(edges=(), shares=(1.0,))),
    thresholds={2: 0.7, 5: 0.5, 10: 0.3},
)


async def fill(detector: DetectorDriver) -> None:
    clients = ENOUGH_SESSIONS // 10 + 1
    for week in range(-12, -2):
        await detector.rate(
            *[
                body(
                    week,
                    (4.5 - (client + week) % 5 * 0.1,) * 3,
                    client_id=f"c{client}",
                    session_id=f"{client}:{week}",
                )
                for client in range(clients)
            ]
        )


async def test_a_threshold_is_added_once_a_week_when_there_are_enough_sessions(
    detector: DetectorDriver,
) -> None:
    await fill(detector)
    for _ in range(7):
        await renew_due(detector, "thresholds")
        detector.now += timedelta(days=1)
    ((count, known),) = await detector.rows(
        "SELECT (SELECT count(*) FROM detector.threshold), thresholds FROM detector.practice"
    )
    assert (count, known) == (1, 1)


async def test_too_few_sessions_give_no_threshold(detector: DetectorDriver) -> None:
    await detector.rate(body(0, GOOD))
    await renew(detector, "thresholds")
    assert await detector.rows("SELECT count(*) FROM detector.threshold") == [(0,)]


async def test_a_new_threshold_counts_from_the_next_day_on_only(detector: DetectorDriver) -> None:
    await fill(detector)
    await renew(detector, "thresholds")
    detector.now = NOW + timedelta(days=7)
    today = await detector.rate(body(0, GOOD, client_id="c1"))
    later = await detector.rate(body(1, GOOD, client_id="c1"))
    versions = [
        b"default-toy-1" in out.value for out in (*today, *later) if out.topic == topics.ASSESSED.name
    ]
    assert versions == [True, False]


async def want(detector: DetectorDriver, per_100: float) -> None:
    await detector.rows("UPDATE detector.practice SET false_alarms = %s RETURNING 1", (per_100 / 100,))
    await detector.transact(lambda tx: start_thresholds(tx, detector.tools.models))


async def test_another_sensitivity_gets_a_starting_threshold_within_minutes(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(reference=REFERENCE))
    await want(detector, 2)
    assert await detector.rows(ROWS) == [(0.7, "toy-1")]
    before = await detector.rate(body(-1, GOOD), accepted_at=NOW)
    detector.now = NOW + START_AFTER
    after = await detector.rate(body(0.2, GOOD))
    versions = [b"start-" in out.value for out in (*before, *after) if out.topic == topics.ASSESSED.name]
    assert versions == [False, True]


async def test_the_default_sensitivity_needs_no_starting_threshold(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(reference=REFERENCE))
    await want(detector, 5)
    assert await detector.rows(ROWS) == []


async def test_the_same_sensitivity_adds_one_threshold_only(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(reference=REFERENCE))
    for minute in range(3):
        detector.now = NOW + timedelta(minutes=minute)
        await want(detector, 10)
    assert await detector.rows(ROWS) == [(0.3, "toy-1")]


async def test_a_practices_own_threshold_moves_with_its_sensitivity(detector: DetectorDriver) -> None:
    detector.tools = tools_with(ToyDetector(reference=REFERENCE))
    await fill(detector)
    await renew(detector, "thresholds")
    ((own, _),) = await detector.rows(ROWS)
    detector.now = NOW + timedelta(days=1)
    await want(detector, 2)
    _, (started, _) = await detector.rows(ROWS)
    assert started == shifted_threshold(own, 0.5, 0.7)
    assert started > own


async def test_an_own_threshold_for_the_new_sensitivity_follows_with_the_next_sweep(
    detector: DetectorDriver,
) -> None:
    detector.tools = tools_with(ToyDetector(reference=REFERENCE))
    await fill(detector)
    await renew_due(detector, "thresholds")
    detector.now = NOW + timedelta(days=1)
    await want(detector, 2)
    await renew_due(detector, "thresholds")
    made_for = await detector.rows(
        "SELECT sources ->> 'false_alarms' FROM detector.threshold WHERE sources ? 'sessions' ORDER BY 1 DESC"
    )
    assert made_for == [("0.05",), ("0.02",)]


async def test_a_new_model_starts_with_its_own_threshold_for_the_sensitivity(
    detector: DetectorDriver,
) -> None:
    other = REFERENCE.model_copy(update={"thresholds": {2: 0.8, 5: 0.6, 10: 0.4}})
    detector.tools = tools_with(ToyDetector(reference=REFERENCE), ToyDetector("toy-2", 0.6, reference=other))
    await want(detector, 2)
    await detector.rows("UPDATE detector.practice SET model_version = 'toy-2' RETURNING 1")
    detector.now = NOW + timedelta(days=1)
    await want(detector, 2)
    assert await detector.rows(ROWS) == [(0.7, "toy-1"), (0.8, "toy-2")]


async def test_a_practice_whose_model_is_not_loaded_does_not_block_other_practices(
    detector: DetectorDriver,
) -> None:
    detector.tools = tools_with(ToyDetector(reference=REFERENCE))
    await detector.practice("east")
    await detector.rows(
        "UPDATE detector.practice SET model_version = 'gone' WHERE practice_id = 'east' RETURNING 1"
    )
    await want(detector, 2)
    assert await detector.rows("SELECT practice_id FROM detector.threshold") == [("north",)]
