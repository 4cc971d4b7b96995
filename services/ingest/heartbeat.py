"""Publishes one heartbeat per partition and minute, so that a break anywhere downstream is noticed."""

import asyncio
from datetime import datetime

from schemas import topics
from schemas.envelope import HEADERS, HeartbeatEvent, encode, envelope_fields
from schemas.events import HeartbeatSent
from schemas.ids import heartbeat_id
from services.ingest.metrics import IngestMetrics
from services.ingest.publisher import Publisher
from services.ingest.quota import NO_PRACTICE
from services.runtime.http.health import Health
from services.runtime.kafka.record import Outgoing
from services.runtime.process.clock import Clock

KEY = b"heartbeat"
LOOP = "heartbeats"
MINUTE_S = 60.0
RETRY_S = 2.0


def heartbeat(partition: int, now: datetime) -> Outgoing:
    """Return the heartbeat of a partition for the minute of `now` (aware, UTC).

    All replicas give the heartbeat of a minute the same id, so that it counts once downstream.
    """
    minute = now.replace(second=0, microsecond=0)
    event_id = heartbeat_id(partition, f"{minute:%Y-%m-%dT%H:%MZ}")
    event = HeartbeatEvent.model_validate(
        {
            **envelope_fields(event_id, "ingest", now, KEY),
            "data": HeartbeatSent(partition=partition, minute=minute, sent_at=now),
        }
    )
    return Outgoing(topics.SESSION_RATED.name, KEY, encode(event), partition, HEADERS)


class Heartbeats:
    """Sends heartbeats to all partitions, once at the start and then every minute."""

    def __init__(self, publisher: Publisher, clock: Clock, health: Health, metrics: IngestMetrics) -> None:
        self._publisher = publisher
        self._clock = clock
        self._health = health
        self._metrics = metrics
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Send until stopped. What Kafka does not acknowledge is soon sent again with the same id."""
        stopping = asyncio.create_task(self._stopping.wait())
        while not self._stopping.is_set():
            self._health.beat(LOOP)
            sent = await self._round()
            pause_s = self._until_next_minute_s() if sent else RETRY_S
            pause = asyncio.create_task(self._clock.sleep(pause_s))
            await asyncio.wait([pause, stopping], return_when=asyncio.FIRST_COMPLETED)
            pause.cancel()
        self._health.end_loop(LOOP)

    async def stop(self) -> None:
        """Stop before the next round."""
        self._stopping.set()

    async def _round(self) -> bool:
        now = self._clock.now()
        records = [heartbeat(partition, now) for partition in range(self._publisher.partitions)]
        if not all(await self._publisher.publish(NO_PRACTICE, records)):
            return False
        self._metrics.heartbeats.inc(len(records))
        self._metrics.last_heartbeat.set(self._clock.now().timestamp())
        return True

    def _until_next_minute_s(self) -> float:
        now = self._clock.now()
        return MINUTE_S - now.second - now.microsecond / 1e6
