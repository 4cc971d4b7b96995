"""What becomes of a change: told once, calmly, and every decision with its reason."""

import itertools

import pytest
from psycopg.rows import TupleRow

from schemas.events import Change, HeartbeatSent, KeptBack
from services.notifier.directory.store import PracticeOptions
from services.runtime.kafka.record import Record
from tests.support.detector.episodes import NOW, changed, record_of
from tests.support.notifier.batch_driver import NotifierDriver


async def test_an_opened_episode_is_told_in_the_inbox_and_by_mail(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    assert {
        ("opened", "inbox", "told", "to-review"),
        ("opened", "email", "told", "to-review"),
        ("opened", "webhook", "suppressed", "not-chosen"),
    } == await notifier.decisions()
    assert await notifier.delivery_states() == [("email", "pending", None)]


async def test_a_change_that_was_kept_back_is_suppressed_with_the_detectors_reason(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed(kept_back=KeptBack.HISTORIC))
    assert {
        ("opened", channel, "suppressed", "historic") for channel in ("inbox", "email", "webhook")
    } == await notifier.decisions()
    assert await notifier.rows("SELECT FROM notifier.item") == []


async def test_a_therapist_who_is_not_in_the_directory_gets_an_item_and_no_mail(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed(therapist="t-unknown"))
    assert ("opened", "email", "suppressed", "no-address") in await notifier.decisions()
    assert await notifier.rows("SELECT therapist_id FROM notifier.item") == [("t-unknown",)]


async def test_a_quiet_therapist_gets_an_item_and_no_mail(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(quiet=True)
    await notifier.handle(changed())
    assert ("opened", "email", "suppressed", "therapist-quiet") in await notifier.decisions()
    assert ("opened", "inbox", "told", "to-review") in await notifier.decisions()


async def test_a_practice_that_switched_messages_off_is_told_nothing(notifier: NotifierDriver) -> None:
    await notifier.set_practice(PracticeOptions("north", messages_on=False))
    await notifier.handle(changed())
    assert ("opened", "inbox", "suppressed", "practice-off") in await notifier.decisions()
    assert await notifier.rows("SELECT FROM notifier.item") == []
    assert await notifier.delivery_states() == []


@pytest.mark.parametrize("change", [Change.REPAIRED, Change.SETTLED, Change.UNREPAIRED, Change.ENDED])
async def test_how_an_episode_goes_on_enters_the_item_and_cancels_what_was_not_sent(
    notifier: NotifierDriver, change: Change
) -> None:
    await notifier.handle(changed())
    await notifier.handle(changed(change, 2))
    assert (change.value, "inbox", "told", "item-updated") in await notifier.decisions()
    assert (change.value, "email", "suppressed", "quiet-change") in await notifier.decisions()
    assert [(change.value,)] == await notifier.rows("SELECT state FROM notifier.item")
    why = "answered" if change is Change.ACKNOWLEDGED else "closed"
    assert await notifier.delivery_states() == [("email", "cancelled", why)]


async def test_a_later_session_updates_the_numbers_of_the_item_and_is_not_sent(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    before = await notifier.delivery_states()
    await notifier.handle(changed(Change.CONTINUED, 2))
    assert await notifier.rows("SELECT state, revision, told_revision FROM notifier.item") == [
        ("opened", 2, 1)
    ]
    assert ("continued", "email", "suppressed", "quiet-change") in await notifier.decisions()
    assert await notifier.delivery_states() == before


async def test_an_episode_that_deepens_is_sent_again(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    await notifier.handle(changed(Change.DEEPENED, 2))
    assert await notifier.delivery_states() == [("email", "pending", None)] * 2
    assert await notifier.rows("SELECT count(*) FROM notifier.item") == [(1,)]


async def test_the_end_of_an_episode_that_was_never_told_is_not_told_either(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(kept_back=KeptBack.HISTORIC))
    await notifier.handle(changed(Change.REPAIRED, 2))
    assert ("repaired", "inbox", "suppressed", "never-told") in await notifier.decisions()


async def test_a_withdrawal_cancels_pending_mail_and_sends_none(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    await notifier.handle(changed(Change.WITHDRAWN, 2))
    assert await notifier.delivery_states() == [("email", "cancelled", "withdrawn")]
    assert await notifier.rows("SELECT state FROM notifier.item") == [("withdrawn",)]


async def test_a_withdrawal_in_the_same_batch_cancels_too(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(), changed(Change.WITHDRAWN, 2), changed(episode="two", client="c-2"))
    assert sorted(await notifier.delivery_states()) == [
        ("email", "cancelled", "withdrawn"),
        ("email", "pending", None),
    ]


async def test_a_withdrawal_that_was_kept_back_still_takes_the_item_back(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    await notifier.handle(changed(Change.WITHDRAWN, 2, kept_back=KeptBack.NOT_NEWEST))
    assert await notifier.rows("SELECT state FROM notifier.item") == [("withdrawn",)]
    assert await notifier.delivery_states() == [("email", "cancelled", "withdrawn")]


async def test_a_change_that_comes_after_a_later_one_is_not_sent(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(Change.REPAIRED, 2))
    await notifier.handle(changed())
    assert ("opened", "email", "suppressed", "overtaken") in await notifier.decisions()
    assert await notifier.rows("SELECT state FROM notifier.item") == [("repaired",)]


async def test_reading_the_topic_again_changes_nothing_and_tells_nobody(notifier: NotifierDriver) -> None:
    timeline = [
        changed(),
        changed(Change.DEEPENED, 2),
        changed(Change.REPAIRED, 3),
        changed(episode="two", client="c-2"),
    ]
    await notifier.handle(*timeline)
    before = await everything(notifier)
    for change in timeline:
        await notifier.handle(change)
    await notifier.handle(*timeline, *timeline)
    assert before == await everything(notifier)


async def everything(notifier: NotifierDriver) -> list[list[TupleRow]]:
    """All that could have changed, as one value."""
    return [
        await notifier.rows(f"SELECT * FROM notifier.{table} ORDER BY 1, 2")
        for table in ("change", "item", "decision", "delivery", "answer")
    ] + [await notifier.rows("SELECT count(*) FROM notifier_jobs.procrastinate_jobs")]


async def test_any_order_of_an_episodes_changes_ends_in_the_same_item(notifier: NotifierDriver) -> None:
    kinds = [Change.OPENED, Change.DEEPENED, Change.ACKNOWLEDGED, Change.REPAIRED]
    orders = list(itertools.permutations(enumerate(kinds, start=1)))
    for number, order in enumerate(orders):
        for revision, change in order:
            await notifier.handle(changed(change, revision, episode=f"shuffle-{number}"))
    items = await notifier.rows(
        "SELECT state, revision, first_revision, told_revision, session_at FROM notifier.item"
    )
    assert len(items) == 24
    assert len(set(items)) == 1


async def test_it_makes_no_difference_how_changes_are_batched(notifier: NotifierDriver) -> None:
    def timeline(episode: str) -> list[Change]:
        return [Change.OPENED, Change.DEEPENED, Change.REPAIRED]

    alone = [changed(one, at, episode="alone") for at, one in enumerate(timeline("alone"), start=1)]
    for change in alone:
        await notifier.handle(change)
    at_once = [changed(one, at, episode="at-once") for at, one in enumerate(timeline("at-once"), start=1)]
    await notifier.handle(*at_once)
    query = (
        "SELECT revision, channel, outcome, reason FROM notifier.decision WHERE episode_id = %s ORDER BY 1, 2"
    )
    assert await notifier.rows(query, alone[0].episode_id) == await notifier.rows(
        query, at_once[0].episode_id
    )


async def test_a_heartbeat_is_recorded_and_enters_no_inbox_and_no_balance(notifier: NotifierDriver) -> None:
    await notifier.handle(HeartbeatSent(partition=3, minute=NOW, sent_at=NOW, risk=0.25, expected_risk=0.25))
    assert await notifier.rows("SELECT partition, minute, reason FROM notifier.heartbeat") == [
        (3, NOW, "heartbeat")
    ]
    assert set() == await notifier.decisions()


async def test_a_record_that_cannot_be_decoded_is_rejected_alone(notifier: NotifierDriver) -> None:
    good = record_of(changed(), offset=8)
    bad = Record(good.topic, 3, 7, 0, good.key, b'{"type": "canary"}')
    await notifier.handle_records([bad, good])
    assert len(notifier.published) == 1
    assert b"canary" not in notifier.published[0].value
    assert await notifier.rows("SELECT count(*) FROM notifier.item") == [(1,)]


async def test_a_rolled_back_batch_leaves_no_job_behind(notifier: NotifierDriver) -> None:
    class TornError(Exception):
        pass

    async def torn(tx: object) -> None:
        await notifier.components.pipeline(tx, [record_of(changed())])  # type: ignore[arg-type] # as handed in
        raise TornError

    with pytest.raises(TornError):
        await notifier.transact(torn)
    assert await notifier.rows("SELECT count(*) FROM notifier_jobs.procrastinate_jobs") == [(0,)]
    assert await notifier.delivery_states() == []
