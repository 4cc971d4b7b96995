"""The worker: comes back by itself, shows what waits, and stops when asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from math import isnan

from prometheus_client import CollectorRegistry

from schemas.events import HeartbeatSent
from services.notifier.metrics import NotifierMetrics
from tests.support.detector.episodes import NOW, changed
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.notifier.mail_server import MailServer
from tests.support.service_stack import wait_until


@asynccontextmanager
async def working(notifier: NotifierDriver) -> AsyncIterator[None]:
    """The worker as it runs in the service."""
    task = asyncio.create_task(notifier.components.worker.run())
    try:
        yield
    finally:
        await notifier.components.worker.stop()
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Return once something holds."""
    await asyncio.to_thread(wait_until, holds, "the mail is there")


async def test_mail_goes_out_as_soon_as_it_is_decided(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    async with working(notifier):
        await notifier.handle(changed())
        await until(lambda: len(mail_server.mails) == 1)


async def test_the_worker_comes_back_when_its_connections_are_cut(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    async with working(notifier):
        await notifier.handle(changed())
        await until(lambda: len(mail_server.mails) == 1)
        await notifier.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'notifier-jobs'"
        )
        await notifier.handle(changed(episode="two", client="c-2"))
        await until(lambda: len(mail_server.mails) == 2)


async def test_a_minute_far_ahead_does_not_stop_the_heartbeats_that_follow(notifier: NotifierDriver) -> None:
    ahead = NOW + timedelta(days=365)
    await notifier.handle(HeartbeatSent(partition=2, minute=ahead, sent_at=ahead))
    await notifier.handle(HeartbeatSent(partition=2, minute=NOW, sent_at=NOW))

    assert await notifier.rows("SELECT minute FROM notifier.heartbeat") == [(NOW,)]


def test_only_partitions_that_exist_have_heartbeats_from_the_start() -> None:
    registry = CollectorRegistry()
    NotifierMetrics(registry, partitions=4)
    name = "rapport_heartbeat_minute_timestamp_seconds"

    first, last, beyond = (registry.get_sample_value(name, {"partition": str(one)}) for one in (0, 3, 4))
    assert [first is not None and isnan(first), last is not None and isnan(last)] == [True, True]
    assert beyond is None


async def test_gauges_show_what_waits_and_the_newest_heartbeats(notifier: NotifierDriver) -> None:
    await notifier.handle(
        changed(),
        HeartbeatSent(partition=2, minute=NOW, sent_at=NOW, risk=0.5, expected_risk=0.5),
        HeartbeatSent(partition=3, minute=NOW, sent_at=NOW, risk=0.4, expected_risk=0.5),
    )
    async with notifier.components.pool.connection() as conn:
        await notifier.components.metrics.measure(conn, NOW)
    async with notifier.operator() as operator:
        page = (await operator.get("/metrics")).text.splitlines()
    stamp = f"{NOW.timestamp():.10g}"
    assert 'rapport_deliveries_open{channel="email"} 1.0' in page
    assert 'rapport_heartbeat_risk_wrong{partition="2"} 0.0' in page
    assert 'rapport_heartbeat_risk_wrong{partition="3"} 1.0' in page
    (minute,) = [
        one for one in page if one.startswith('rapport_heartbeat_minute_timestamp_seconds{partition="2"}')
    ]
    assert float(minute.split()[1]) == float(stamp)
