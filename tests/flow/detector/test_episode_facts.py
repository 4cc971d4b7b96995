"""The facts of an episode in the whole flow: in units, dated, and against the usual level before it."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas import topics
from schemas.components import Component
from schemas.envelope import EpisodeChangedEvent
from schemas.events import EpisodeChanged
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from services.runtime.kafka.record import Outgoing
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, events

USUAL = (4.5, 4.0, 4.5)
FELL = (4.5, 1.5, 4.25)


def session_at(number: int) -> datetime:
    return NOW - timedelta(days=1) + timedelta(weeks=number)


def last_change(outgoing: Sequence[Outgoing]) -> EpisodeChanged:
    changed = [e.data for e in events(outgoing, topics.EPISODE_CHANGED) if isinstance(e, EpisodeChangedEvent)]
    return changed[-1]


def goal_of(facts: Facts | None) -> ComponentFact:
    assert facts is not None
    return next(part for part in facts.components if part.component is Component.GOAL)


async def open_episode(detector: DetectorDriver) -> Facts | None:
    await detector.rate(*[body(number, USUAL) for number in (-5, -4, -3, -2)])
    return last_change(await detector.rate(body(-1, FELL))).facts


async def test_an_opening_states_what_fell_and_what_held_in_units(detector: DetectorDriver) -> None:
    goal, bond, task = ({"usual": x, "usual_low": x, "usual_high": x} for x in (4.0, 4.5, 4.5))
    assert await open_episode(detector) == Facts(
        shape=Shape.STEP,
        components=(
            ComponentFact(component=Component.GOAL, standing=Standing.FELL, mark=1.5, **goal),
            ComponentFact(component=Component.BOND, standing=Standing.HELD, mark=4.5, **bond),
            ComponentFact(component=Component.TASK, standing=Standing.SOMEWHAT_LOWER, mark=4.25, **task),
        ),
        form_at=session_at(-1),
        since=session_at(-1),
        forms=5,
    )


async def test_an_empty_form_after_the_fall_leaves_the_fall_as_it_was(detector: DetectorDriver) -> None:
    before = await open_episode(detector)
    assert before is not None
    facts = last_change(await detector.rate(body(0))).facts
    empty = EmptyForms(last_at=session_at(0), count=1, of=6)
    assert facts == before.model_copy(update={"empty": empty})


async def test_the_usual_level_stays_the_one_at_the_opening(detector: DetectorDriver) -> None:
    opening = goal_of(await open_episode(detector))
    for session, mark in ((-0.75, 1.75), (-0.5, 2.0), (-0.25, 1.75)):
        change = last_change(await detector.rate(body(session, (4.5, mark, 4.25))))
        goal = goal_of(change.facts)
        assert (goal.mark, goal.usual, goal.usual_low) == (mark, opening.usual, opening.usual_low)
        assert change.facts is not None
        assert change.facts.since == session_at(-1)


async def test_the_facts_of_a_repair_show_the_marks_back_at_usual(detector: DetectorDriver) -> None:
    await open_episode(detector)
    await detector.rate(body(-0.5, USUAL))
    change = last_change(await detector.rate(body(0, USUAL)))
    assert change.change == "repaired"
    assert (goal_of(change.facts).standing, goal_of(change.facts).mark) == (Standing.HELD, 4.0)


async def test_a_session_that_is_taken_back_leaves_the_picture_of_an_open_episode(
    detector: DetectorDriver,
) -> None:
    await open_episode(detector)
    out = await detector.rate(body(-4, status="withdrawn"), accepted_at=NOW + timedelta(minutes=5))
    event = last_change(out)
    assert (event.change, event.kept_back, event.revision) == ("continued", None, 2)
    drawn = [point.session_at for point in event.trajectory]
    assert drawn == [session_at(number) for number in (-5, -3, -2, -1)]


async def test_a_session_that_is_taken_back_leaves_the_picture_of_a_closed_episode(
    detector: DetectorDriver,
) -> None:
    await open_episode(detector)
    await detector.rate(body(-0.5, USUAL))
    closing = last_change(await detector.rate(body(0, USUAL)))
    out = await detector.rate(body(-4, status="withdrawn"), accepted_at=NOW + timedelta(minutes=5))
    event = last_change(out)
    assert (event.change, event.session_id) == ("repaired", closing.session_id)
    assert event.revision == closing.revision + 1
    before, after = ([point.session_at for point in one.trajectory] for one in (closing, event))
    assert after == [at for at in before if at != session_at(-4)]


async def test_a_session_after_a_closed_episode_leaves_it_alone(detector: DetectorDriver) -> None:
    await open_episode(detector)
    await detector.rate(body(-0.5, USUAL))
    assert last_change(await detector.rate(body(0, USUAL))).change == "repaired"
    assert events(await detector.rate(body(0.1, USUAL)), topics.EPISODE_CHANGED) == []
