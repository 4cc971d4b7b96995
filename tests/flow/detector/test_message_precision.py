"""A message states how often messages of its kind were right; own answers count from fifty on."""

from collections.abc import Sequence
from datetime import timedelta

from schemas import topics
from schemas.envelope import EpisodeChangedEvent
from schemas.events import Answer, EpisodeChanged
from schemas.message_precision import PrecisionSource
from services.detector.domain.message_precision import MIN_ANSWERS, MeasuredPrecision
from services.runtime.kafka.record import Outgoing
from tests.support.detector.batch_driver import DetectorDriver, answer_of, body, events

GOOD = (4.5, 4.5, 4.5)
GOAL_FELL = (4.5, 2.0, 4.5)
SIMULATED = MeasuredPrecision(right=0.46, low=0.43, high=0.49, messages=3000)


def opened(outgoing: Sequence[Outgoing]) -> dict[str, EpisodeChanged]:
    """The openings among these records, by client."""
    changes = [
        event.data
        for event in events(outgoing, topics.EPISODE_CHANGED)
        if isinstance(event, EpisodeChangedEvent) and event.data.change == "opened"
    ]
    return {one.client_id: one for one in changes}


async def open_for(detector: DetectorDriver, *clients: str, practice: str = "north") -> list[EpisodeChanged]:
    """Let the goals of these clients fall."""
    marks = {-4: GOOD, -3: GOOD, -2: GOOD, -1: GOAL_FELL}
    ratings = [
        body(week, given, client_id=client, session_id=f"{client}-{week}")
        for client in clients
        for week, given in marks.items()
    ]
    found = opened(await detector.rate(*ratings, practice=practice))
    assert set(found) == set(clients)
    return list(found.values())


async def answer(detector: DetectorDriver, of: EpisodeChanged, given: Answer, revision: int = 1) -> None:
    sent = body(-1, GOAL_FELL, client_id=of.client_id, session_id=of.session_id)
    await detector.feed([answer_of(sent, str(of.episode_id), given, revision)])


async def test_the_models_figure_is_stated_until_the_practice_has_fifty_answers(
    detector: DetectorDriver,
) -> None:
    detector.tools.models.default.message_precision = {"step, one": SIMULATED}  # type: ignore[misc]
    told = await open_for(detector, *(f"c{number}" for number in range(MIN_ANSWERS)))
    assert {one.precision and one.precision.source for one in told} == {PrecisionSource.SIMULATED}
    assert {one.precision and one.precision.right for one in told} == {0.46}
    for number, one in enumerate(told[:-1]):
        await answer(detector, one, Answer.DISCUSSED if number < 30 else Answer.NOT_RELEVANT)
    # An answer that says nothing of the message, and one that was taken back, are no answers.
    await answer(detector, told[-1], Answer.WILL_DISCUSS)
    detector.now += timedelta(days=1)
    (early,) = await open_for(detector, "early")
    assert early.precision is not None
    assert early.precision.source is PrecisionSource.SIMULATED
    await answer(detector, told[-1], Answer.OUTSIDE_EVENT, 2)
    (same_day,) = await open_for(detector, "same-day")
    assert same_day.precision == early.precision
    detector.now += timedelta(days=1)
    (late,) = await open_for(detector, "late")
    assert late.precision is not None
    assert late.precision.model_dump(exclude={"low", "high"}) == {
        "right": 0.6, "messages": 50, "source": PrecisionSource.PRACTICE
    }  # fmt: skip
    (elsewhere,) = await open_for(detector, "other", practice="south")
    assert elsewhere.precision == early.precision
    # The answer about a message whose rating was taken back counts no longer.
    taken_back = body(-1, client_id="c0", session_id="c0--1", status="withdrawn")
    await detector.rate(taken_back, accepted_at=detector.now)
    detector.now += timedelta(days=1)
    (fewer,) = await open_for(detector, "fewer")
    assert fewer.precision == early.precision


async def test_a_change_that_asks_nobody_to_look_states_no_figure(detector: DetectorDriver) -> None:
    detector.tools.models.default.message_precision = {"step": SIMULATED}  # type: ignore[misc]
    await open_for(detector, "c1")
    later = await detector.rate(body(0, GOAL_FELL, client_id="c1", session_id="later"))
    (continued,) = [
        event.data
        for event in events(later, topics.EPISODE_CHANGED)
        if isinstance(event, EpisodeChangedEvent)
    ]
    assert (continued.change.value, continued.precision) == ("continued", None)
