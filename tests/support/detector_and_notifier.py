"""A detector and a notifier over one database, without Kafka: what one publishes is handed to the other."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.cli.plugins import services_with_tables
from services.runtime.kafka.record import Outgoing, Record
from tests.support.detector.batch_driver import NOW, DetectorDriver, detector_driver
from tests.support.notifier.batch_driver import MovableClock, NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.postgres import TABLES

THERAPIST = "t-1"


@dataclass
class Flow:
    """A detector and a notifier over one database."""

    detector: DetectorDriver
    notifier: NotifierDriver
    url: str
    way: str = ""
    """How a test renames somebody, where it does so in several ways."""

    async def rate(self, *sent: dict[str, object]) -> None:
        """Take ratings through both."""
        await self.pass_on(await self.detector.rate(*sent))

    async def pass_on(self, outgoing: Sequence[Outgoing]) -> None:
        """Give the notifier what the detector published, in any order of topics."""
        records = [
            Record(one.topic, one.partition or 0, place, 0, one.key, one.value)
            for place, one in enumerate(outgoing)
        ]
        await self.notifier.handle_records(records)
        await self.notifier.run_due_jobs()

    async def mentions(self, name: str) -> set[str]:
        """Return the tables of which a row mentions this reference as a value of its own."""
        found = set()
        for service in services_with_tables():
            for (table,) in await self.detector.rows(TABLES, [service]):
                query = f"SELECT count(*) FROM {service}.{table} t WHERE to_jsonb(t)::text ~ %s"
                if (await self.detector.rows(query, [f'\\\\?"{name}\\\\?"']))[0][0]:
                    found.add(f"{service}.{table}")
        return found


@asynccontextmanager
async def both_services(url: str, folder: Path) -> AsyncIterator[Flow]:
    """Yield both services, with a practice and a therapist in the directory."""
    with running(MailServer()) as mail_server:
        async with (
            detector_driver(url) as detector,
            running_notifier(url, folder, clock=MovableClock(NOW), smtp_port=mail_server.port) as notifier,
        ):
            notifier.mail_server = mail_server
            await detector.practice()
            await notifier.add_therapist(therapist_id=THERAPIST)
            yield Flow(detector, notifier, url)
