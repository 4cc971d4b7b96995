"""The figures of what therapists are told: when a change is in the inbox, and how messages get out."""

from datetime import timedelta

from schemas.events import HeartbeatSent, KeptBack
from services.notifier.domain.feed import FEWEST_GAPS
from services.runtime.outbox.transaction import Transaction
from tests.support.detector.episodes import NOW, changed, record_of
from tests.support.notifier.batch_driver import NotifierDriver


async def page(notifier: NotifierDriver) -> list[str]:
    """Return the lines of the metrics, with those that are read from the tables."""
    async with notifier.components.pool.connection() as conn:
        await notifier.components.metrics.measure(conn, notifier.clock.now())
    async with notifier.operator() as operator:
        return (await operator.get("/metrics")).text.splitlines()


async def test_a_change_is_told_and_a_heartbeat_through_when_the_transaction_has_ended(
    notifier: NotifierDriver,
) -> None:
    accepted = NOW - timedelta(seconds=5)
    records = [
        record_of(changed(accepted_at=accepted)),
        record_of(changed(episode="two", kept_back=KeptBack.HISTORIC, accepted_at=accepted), 1),
        record_of(HeartbeatSent(partition=3, minute=NOW, sent_at=NOW - timedelta(seconds=2)), 2),
    ]

    async def work(tx: Transaction) -> None:
        await notifier.components.pipeline(tx, records)
        notifier.advance(timedelta(seconds=40))

    await notifier.transact(work)
    lines = await page(notifier)
    assert "rapport_accepted_to_told_seconds_sum 45.0" in lines
    assert "rapport_accepted_to_told_seconds_count 1.0" in lines
    assert "rapport_therapists_told_total 1.0" in lines
    assert "rapport_heartbeat_seconds_sum 42.0" in lines
    assert "rapport_heartbeat_seconds_count 1.0" in lines
    assert 'rapport_stage_seconds_count{stage="inbox"} 1.0' in lines


async def test_what_waits_too_long_and_what_got_out_late_are_told_by_channel(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    notifier.advance(timedelta(minutes=14))
    assert 'rapport_deliveries_overdue{channel="email"} 0.0' in await page(notifier)
    notifier.advance(timedelta(minutes=2))
    assert 'rapport_deliveries_overdue{channel="email"} 1.0' in await page(notifier)

    await notifier.run_due_jobs()
    lines = await page(notifier)
    assert 'rapport_deliveries_overdue{channel="email"} 0.0' in lines
    assert 'rapport_deliveries_open{channel="email"} 0.0' in lines
    assert "rapport_delivery_oldest_open_timestamp_seconds NaN" in lines
    assert 'rapport_delivery_seconds_sum{channel="email"} 960.0' in lines
    assert 'rapport_delivery_seconds_count{channel="webhook"} 0.0' in lines


async def test_practices_that_send_regularly_are_expected(notifier: NotifierDriver) -> None:
    for practice, days in (("regular", FEWEST_GAPS + 1), ("new", FEWEST_GAPS)):
        await notifier.rows(
            "INSERT INTO notifier.feed_day (practice_id, day)"
            " SELECT %s, date '2026-11-01' + number FROM generate_series(1, %s) AS number RETURNING 1",
            practice,
            days,
        )
    assert "rapport_practices_expected 1.0" in await page(notifier)
