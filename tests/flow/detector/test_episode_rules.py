"""Rules beside the risk in the whole flow: what is told, stored and published of them."""

from schemas.events import OpenedBy
from tests.flow.detector.test_episodes import changes, said
from tests.support.detector.batch_driver import DetectorDriver, body
from tests.support.invariants import broken

LOW_GOAL = (4.0, 2.0, 4.0)
GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
LOWER = (3.6, 3.6, 3.6)


async def test_marks_that_are_low_from_the_start_are_told_after_the_second_form(
    detector: DetectorDriver,
) -> None:
    assert said(await detector.rate(body(-1, LOW_GOAL))) == []
    (event,) = changes(await detector.rate(body(0, LOW_GOAL)))
    assert (event.change, event.kept_back, event.opened_by) == ("opened", None, OpenedBy.LOW_FROM_START)
    assert await detector.rows(
        "SELECT flagged, step, risk < threshold FROM detector.assessment ORDER BY 1"
    ) == [
        (False, "", True),
        (True, "opened", True),
    ]
    assert await detector.rows("SELECT data ->> 'opened_by' FROM detector.episode_change") == [
        ("low-from-start",)
    ]
    assert await broken(detector.conn) == {}


async def test_an_episode_whose_marks_stay_lower_settles(detector: DetectorDriver) -> None:
    await detector.rate(*(body(week, GOOD) for week in (-2.5, -2.25, -2)))
    await detector.rate(body(-1.75, LOW))
    out = [said(await detector.rate(body(week, LOWER))) for week in (-1.5, -1.25, -1, -0.75)]
    assert out == [[("continued", None)]] * 3 + [[("settled", None)]]
    assert await detector.rows("SELECT state, closed_at IS NOT NULL FROM detector.episode") == [
        ("settled", True)
    ]


async def test_one_empty_form_alone_is_not_told(detector: DetectorDriver) -> None:
    await detector.rate(*(body(week, GOOD) for week in (-4, -3, -2)))
    assert said(await detector.rate(body(-1), body(0))) == []
