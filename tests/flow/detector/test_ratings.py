"""What becomes of ratings: assessed, superseded, duplicate or rejected, and published once."""

from schemas import topics
from tests.support.detector_stage import Stage, body, events

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)


async def test_a_rating_is_assessed_and_published(detector: Stage) -> None:
    out = await detector.rate(body(0, GOOD))
    (event,) = events(out, topics.ASSESSED)
    assert (event.data.rating_id, event.data.revision, event.data.risk) == (event.data.rating_id, 1, 0.1)
    assert await detector.rows("SELECT current FROM detector.rating") == [(True,)]


async def test_an_episode_opens_when_the_marks_fall(detector: Stage) -> None:
    await detector.rate(*[body(s, GOOD) for s in (-3, -2, -1)])
    out = await detector.rate(body(0, LOW))
    (event,) = events(out, topics.EPISODE_CHANGED)
    assert (event.data.change, event.data.kept_back) == ("opened", None)
