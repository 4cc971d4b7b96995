"""Episodes in the whole flow: told, kept back, answered, swept, withdrawn and computed anew."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from schemas import topics
from schemas.envelope import EpisodeChangedEvent
from schemas.events import Answer, EpisodeChanged
from services.detector.jobs.daily_sweep import due_dyads
from services.detector.stream.batch import MOST_FOLDS
from services.detector.stream.pipeline import run
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.transaction import Transaction
from tests.flow.detector.conftest import NewDatabase
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    answer_of,
    body,
    detector_driver,
    events,
    tools_with,
)
from tests.support.detector.toy_detector import ToyDetector
from tests.support.invariants import broken

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
LOWEST = (1.2, 1.2, 1.2)
BEFORE = (-4, -3, -2)


def changes(outgoing: Sequence[Outgoing]) -> list[EpisodeChanged]:
    return [
        event.data
        for event in events(outgoing, topics.EPISODE_CHANGED)
        if isinstance(event, EpisodeChangedEvent)
    ]


def said(outgoing: Sequence[Outgoing]) -> list[tuple[str, str | None]]:
    return [(one.change.value, one.kept_back and one.kept_back.value) for one in changes(outgoing)]


async def opened(detector: DetectorDriver) -> EpisodeChanged:
    await detector.rate(*[body(week, GOOD) for week in BEFORE])
    (event,) = changes(await detector.rate(body(-1, LOW, next_session_at=NOW + timedelta(days=6))))
    return event


async def test_an_episode_is_told_with_all_that_a_message_needs(detector: DetectorDriver) -> None:
    event = await opened(detector)
    assert (event.change, event.kept_back, event.revision) == ("opened", None, 1)
    assert event.next_session_at == NOW + timedelta(days=6)
    assert {name: one.change for name, one in event.components.items()} == {
        "bond": -2,
        "goal": -2,
        "task": -2,
    }
    assert [point.flagged for point in event.trajectory] == [False, False, False, True]
    assert [point.bond for point in event.trajectory] == [0.875, 0.875, 0.875, 0.375]
    assert (event.ratings, event.movement, event.accepted_at) == (4, "sudden-fall", NOW)


async def test_no_second_alert_for_the_same_episode(detector: DetectorDriver) -> None:
    await opened(detector)
    assert said(await detector.rate(body(0, LOW))) == [("continued", None)]


async def test_loading_two_years_of_history_tells_nobody(detector: DetectorDriver) -> None:
    history = [body(week, LOW if week % 5 == 0 else GOOD) for week in range(-110, -4)]
    slices = [history[start : start + MOST_FOLDS] for start in range(0, len(history), MOST_FOLDS)]
    told = [change for some in slices for change in said(await detector.rate(*some, practice="new"))]
    assert {why for _, why in told} == {"historic"}


async def test_a_session_after_the_history_is_told(detector: DetectorDriver) -> None:
    history = [body(week, GOOD) for week in range(-10, 0)]
    await detector.rate(*history, practice="new")
    detector.now = NOW + timedelta(days=7)
    assert said(await detector.rate(body(1, LOW), practice="new")) == [("opened", None)]


async def test_a_correction_withdraws_the_episode(detector: DetectorDriver) -> None:
    await opened(detector)
    out = await detector.rate(body(-1, GOOD), accepted_at=NOW + timedelta(minutes=5))
    assert said(out) == [("withdrawn", None)]
    assert await detector.rows("SELECT state FROM detector.episode") == [("withdrawn",)]


async def test_a_correction_that_leaves_the_episode_open_shows_the_corrected_marks(
    detector: DetectorDriver,
) -> None:
    await opened(detector)
    (event,) = changes(await detector.rate(body(-1, LOWEST), accepted_at=NOW + timedelta(minutes=5)))
    assert (event.change, event.kept_back, event.revision) == ("continued", None, 2)
    assert event.facts is not None
    assert {part.mark for part in event.facts.components} == {min(LOWEST)}


async def test_taking_the_rating_back_withdraws_the_episode(detector: DetectorDriver) -> None:
    await opened(detector)
    out = await detector.rate(body(-1, status="withdrawn"), accepted_at=NOW + timedelta(minutes=5))
    assert said(out) == [("withdrawn", None)]


async def test_an_episode_that_turns_out_to_have_begun_earlier_keeps_its_id(detector: DetectorDriver) -> None:
    event = await opened(detector)
    assert said(await detector.rate(body(-1.5, LOW))) == []
    rows = await detector.rows("SELECT episode_id, opened_session FROM detector.episode")
    assert rows == [(event.episode_id, "s-1.5")]


async def test_a_repair_is_told(detector: DetectorDriver) -> None:
    await opened(detector)
    await detector.rate(body(-0.5, GOOD))
    assert said(await detector.rate(body(0, GOOD))) == [("repaired", None)]


async def test_a_deeper_fall_is_told(detector: DetectorDriver) -> None:
    await opened(detector)
    assert said(await detector.rate(body(0, LOWEST))) == [("deepened", None)]


async def test_an_answer_acknowledges_and_changes_no_risk(detector: DetectorDriver) -> None:
    event = await opened(detector)
    before = await detector.rows("SELECT risk, revision FROM detector.assessment ORDER BY session_at")
    answer = answer_of(body(-1, LOW), str(event.episode_id), Answer.WILL_DISCUSS, 1)
    assert said(await detector.feed([answer])) == [("acknowledged", None)]
    assert await detector.rows("SELECT risk, revision FROM detector.assessment ORDER BY session_at") == before


async def test_an_answer_that_is_read_again_changes_nothing(detector: DetectorDriver) -> None:
    event = await opened(detector)
    answer = answer_of(body(-1, LOW), str(event.episode_id), Answer.DISCUSSED, 1)
    await detector.feed([answer])
    assert await detector.feed([answer]) == []


async def test_an_undone_answer_opens_the_list_again(detector: DetectorDriver) -> None:
    event = await opened(detector)
    for revision, answer in ((1, Answer.NOT_RELEVANT), (2, Answer.UNDONE)):
        await detector.feed([answer_of(body(-1, LOW), str(event.episode_id), answer, revision)])
    assert await detector.rows("SELECT state FROM detector.episode") == [("open",)]


async def test_an_answer_that_comes_before_its_episode_counts_once_the_episode_opens(
    detector: DetectorDriver, new_database: NewDatabase
) -> None:
    with new_database() as url:
        async with detector_driver(url) as elsewhere:
            await elsewhere.practice()
            episode = str((await opened(elsewhere)).episode_id)
    await detector.feed([answer_of(body(-1, LOW), episode, Answer.DISCUSSED, 1)])
    assert await detector.rows("SELECT answer FROM detector.response") == [("discussed",)]
    await detector.rate(*[body(week, GOOD) for week in BEFORE], body(-1, LOW))
    rows = await detector.rows("SELECT episode_id::text, state FROM detector.episode")
    assert rows == [(episode, "acknowledged")]


async def test_what_is_not_relevant_is_silent_when_it_deepens(detector: DetectorDriver) -> None:
    event = await opened(detector)
    await detector.feed([answer_of(body(-1, LOW), str(event.episode_id), Answer.NOT_RELEVANT, 1)])
    assert said(await detector.rate(body(0, LOWEST))) == [("continued", None)]


async def sweep(detector: DetectorDriver, day: date) -> list[Outgoing]:
    async def work(tx: Transaction) -> None:
        await run(await due_dyads(tx, day, range(4), UUID(int=0), 100), detector.tools)

    return await detector.transact(work)


async def test_a_sweep_ends_what_had_no_session_for_long(detector: DetectorDriver) -> None:
    await opened(detector)
    day = (NOW + timedelta(days=60)).date()
    assert [change for change, _ in said(await sweep(detector, day))] == ["unrepaired"]
    assert said(await sweep(detector, day)) == []
    assert await broken(detector.conn) == {}


async def test_a_sweep_leaves_recent_episodes_alone(detector: DetectorDriver) -> None:
    await opened(detector)
    assert await sweep(detector, (NOW + timedelta(days=30)).date()) == []


async def test_a_rating_and_the_sweep_may_come_in_any_order(detector: DetectorDriver) -> None:
    await opened(detector)
    await sweep(detector, (NOW + timedelta(days=60)).date())
    out = await detector.rate(body(4, LOW), accepted_at=NOW + timedelta(days=61))
    assert [change for change, _ in said(out)] == ["opened"]
    assert await detector.rows("SELECT count(*), max(state) FROM detector.episode") == [(1, "open")]


async def test_a_new_model_leaves_what_was_decided_before(database_url: str) -> None:
    old, new = ToyDetector("toy-1", 0.5), ToyDetector("toy-2", 0.05)
    async with detector_driver(database_url) as detector:
        await detector.practice()
        await detector.rate(*[body(week, GOOD) for week in BEFORE])
        detector.tools = tools_with(old, new)
        await detector.rows("UPDATE detector.practice SET model_version = 'toy-2' RETURNING 1")
        out = await detector.rate(body(0, GOOD))
        assert [b'"s0"' in one.value for one in out if one.topic == topics.ASSESSED.name] == [True]
        rows = "SELECT model_version, threshold FROM detector.assessment ORDER BY session_at"
        assert await detector.rows(rows) == [("toy-1", 0.5)] * 3 + [("toy-2", 0.05)]


async def test_a_late_rating_is_scored_by_the_new_model_from_there_on(database_url: str) -> None:
    async with detector_driver(database_url) as detector:
        await detector.practice()
        await detector.rate(*[body(week, GOOD) for week in (-4, -2)])
        detector.tools = tools_with(ToyDetector("toy-1"), ToyDetector("toy-2", 0.9))
        await detector.rows("UPDATE detector.practice SET model_version = 'toy-2' RETURNING 1")
        await detector.rate(body(-3, GOOD))
        rows = await detector.rows("SELECT model_version FROM detector.assessment ORDER BY session_at")
        assert [version for (version,) in rows] == ["toy-1", "toy-2", "toy-2"]
