"""A practice's own thresholds in the flow: computed for its budget, valid from the next day on."""

from datetime import timedelta

from schemas import topics
from services.detector.threshold_job import ENOUGH_SESSIONS, renew_thresholds
from tests.support.detector_stage import NOW, Stage, body

GOOD = (4.5, 4.5, 4.5)


async def fill(detector: Stage) -> None:
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


async def renew(detector: Stage) -> None:
    await detector.transact(lambda tx: renew_thresholds(tx, detector.tools.models))


async def test_a_row_is_added_once_a_week_when_there_are_enough_sessions(detector: Stage) -> None:
    await fill(detector)
    await renew(detector)
    await renew(detector)
    ((count, known),) = await detector.rows(
        "SELECT (SELECT count(*) FROM detector.threshold), thresholds FROM detector.practice"
    )
    assert (count, known) == (1, 1)


async def test_too_few_sessions_give_no_row(detector: Stage) -> None:
    await detector.rate(body(0, GOOD))
    await renew(detector)
    assert await detector.rows("SELECT count(*) FROM detector.threshold") == [(0,)]


async def test_a_new_row_counts_from_the_next_day_on_only(detector: Stage) -> None:
    await fill(detector)
    await renew(detector)
    detector.now = NOW + timedelta(days=7)
    today = await detector.rate(body(0, GOOD, client_id="c1"))
    later = await detector.rate(body(1, GOOD, client_id="c1"))
    versions = [
        b"default-toy-1" in out.value for out in (*today, *later) if out.topic == topics.ASSESSED.name
    ]
    assert versions == [True, False]
