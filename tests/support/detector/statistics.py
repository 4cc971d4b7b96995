"""Rates a caseload, runs the weekly jobs of practices as the daily sweep does, and reads which were named."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from schemas import topics
from schemas.events import AllianceAssessed
from services.detector.features.practice_statistics import ENOUGH_CLIENTS
from services.detector.jobs.daily_sweep import weekly_jobs
from services.detector.jobs.weekly_jobs import WeeklyJob, mark_tried, practices_due
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.transaction import Transaction
from tests.support.detector.batch_driver import (
    DetectorDriver,
    SentRating,
    body,
    events,
)

DAY = timedelta(days=1)
COPIED = "practice_id, version, valid_from, computed_at, sessions_from, clients, forms, values"
ROWS = f"SELECT {COPIED} FROM detector.practice_statistics ORDER BY practice_id, valid_from"


def caseload(clients: int = ENOUGH_CLIENTS, level: float = 4.0) -> list[SentRating]:
    """Three weekly ratings of each client, the newest on the day before `NOW`."""
    return [
        body(
            week,
            (level + (client + week) % 3 * 0.2,) * 3,
            client_id=f"c{client}",
            session_id=f"c{client}:{week}",
        )
        for client in range(clients)
        for week in (-2, -1, 0)
    ]


async def renew(driver: DetectorDriver, name: str = "statistics") -> None:
    """Run one weekly job for every practice, whatever its day of the week."""
    for (practice,) in await driver.rows("SELECT practice_id FROM detector.practice"):
        await driver.transact(partial(_job(driver, name).add, practice=practice))


async def renew_due(driver: DetectorDriver, name: str = "statistics") -> None:
    """Run one weekly job for the practices that are due, as the daily sweep does."""
    job, due, day = _job(driver, name), list[str](), driver.now.date()

    async def read_due(tx: Transaction) -> None:
        due[:] = await practices_due(tx, job, day)

    await driver.transact(read_due)
    for practice in due:
        await driver.transact(partial(mark_tried, job=job, day=day, practice=practice))
        await driver.transact(partial(job.add, practice=practice))


def _job(driver: DetectorDriver, name: str) -> WeeklyJob:
    (job,) = (one for one in weekly_jobs(driver.tools) if one.name == name)
    return job


def named(outgoing: Sequence[Outgoing]) -> dict[str, str | None]:
    """Return the version that each published assessment names, by session id."""
    found = {}
    for event in events(outgoing, topics.ASSESSED):
        assert isinstance(event.data, AllianceAssessed)
        found[event.data.session_id] = event.data.statistics_version
    return found
