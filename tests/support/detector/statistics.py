"""Rates a caseload, computes practices' statistics as the daily sweep does, and reads which were named."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from schemas import topics
from schemas.events import AllianceAssessed
from services.detector.features.practice_statistics import ENOUGH_CLIENTS
from services.detector.jobs.renew_statistics import add_statistics, practices_due
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


async def renew(driver: DetectorDriver) -> None:
    """Compute statistics of the practices that are due, as the daily sweep does."""
    due: list[str] = []

    async def read_due(tx: Transaction) -> None:
        due[:] = await practices_due(tx)

    await driver.transact(read_due)
    for practice in due:
        await driver.transact(partial(add_statistics, practice=practice, catalogue=driver.tools.catalogue))


def named(outgoing: Sequence[Outgoing]) -> dict[str, str | None]:
    """Return the version that each published assessment names, by session id."""
    found = {}
    for event in events(outgoing, topics.ASSESSED):
        assert isinstance(event.data, AllianceAssessed)
        found[event.data.session_id] = event.data.statistics_version
    return found
