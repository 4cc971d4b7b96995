"""The worker: comes back by itself, shows what waits, and stops when asked."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from schemas.events import HeartbeatSent
from tests.support.detector.episodes import NOW, changed
from tests.support.notifier.batch_driver import Stage
from tests.support.notifier.mail_server import MailServer
from tests.support.service_stack import wait_until


@asynccontextmanager
async def working(stage: Stage) -> AsyncIterator[None]:
    """The worker as it runs in the service."""
    task = asyncio.create_task(stage.components.worker.run())
    try:
        yield
    finally:
        await stage.components.worker.stop()
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Return once something holds."""
    await asyncio.to_thread(wait_until, holds, "the mail is there")


async def test_mail_goes_out_as_soon_as_it_is_decided(stage: Stage, mail_server: MailServer) -> None:
    async with working(stage):
        await stage.handle(changed())
        await until(lambda: len(mail_server.mails) == 1)


async def test_the_worker_comes_back_when_its_connections_are_cut(
    stage: Stage, mail_server: MailServer
) -> None:
    async with working(stage):
        await stage.handle(changed())
        await until(lambda: len(mail_server.mails) == 1)
        await stage.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'notifier-jobs'"
        )
        await stage.handle(changed(episode="two", client="c-2"))
        await until(lambda: len(mail_server.mails) == 2)


async def test_gauges_show_what_waits_and_the_newest_heartbeats(stage: Stage) -> None:
    await stage.handle(
        changed(),
        HeartbeatSent(partition=2, minute=NOW, sent_at=NOW, risk=0.5, expected_risk=0.5),
        HeartbeatSent(partition=3, minute=NOW, sent_at=NOW, risk=0.4, expected_risk=0.5),
    )
    async with stage.components.pool.connection() as conn:
        await stage.components.metrics.measure(conn)
    async with stage.browser() as anyone:
        page = (await anyone.get("/metrics")).text.splitlines()
    stamp = f"{NOW.timestamp():.10g}"
    assert 'rapport_deliveries_open{channel="email"} 1.0' in page
    assert 'rapport_heartbeat_risk_wrong{partition="2"} 0.0' in page
    assert 'rapport_heartbeat_risk_wrong{partition="3"} 1.0' in page
    (minute,) = [
        one for one in page if one.startswith('rapport_heartbeat_minute_timestamp_seconds{partition="2"}')
    ]
    assert float(minute.split()[1]) == float(stamp)
