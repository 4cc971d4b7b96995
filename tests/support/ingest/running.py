"""A running ingest for tests: the real application behind a real port, and the records that it published."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from schemas.instruments.catalogue import Catalogue
from schemas.topics import SESSION_RATED, Topic
from services.ingest.app import Ingest, build
from services.ingest.settings import IngestSettings
from services.runtime.http.key_file import add_key
from services.runtime.http.server import serve
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.settings import HttpSettings, KafkaSettings

SECRET = b"a secret of at least thirty-two bytes"
DEADLINE_S = 20.0
RATING: Mapping[str, Any] = {
    "client_id": "c-7f3a91",
    "therapist_id": "t-12",
    "session_id": "s-1",
    "session_at": "2026-11-20T10:00:00+01:00",
    "instrument": "srs",
    "items": [9.2, 8.8, 9.0, 9.1],
}


class MovedClock:
    """A clock that tests move; whoever sleeps on it moves it too, and does not wait."""

    def __init__(self, now: datetime = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)) -> None:
        self._now = now
        self._passed_s = 0.0
        self.slept_s = 0.0

    def now(self) -> datetime:
        """The time of day."""
        return self._now

    def monotonic(self) -> float:
        """Seconds moved so far."""
        return self._passed_s

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._passed_s += seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept_s += seconds
        self.move(seconds)
        await asyncio.sleep(0)


@dataclass(slots=True)
class Published:
    """One record as it lies in the log."""

    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    @property
    def event(self) -> dict[str, Any]:
        """Its value."""
        decoded: dict[str, Any] = json.loads(self.value)
        return decoded


@dataclass(slots=True)
class Running:
    """An ingest that answers."""

    url: str
    bootstrap: str
    keys: Path
    ingest: Ingest
    http: httpx.AsyncClient
    management: httpx.AsyncClient
    logs: list[Any] = field(default_factory=list)

    def key(self, practice: str, **more: object) -> dict[str, str]:
        """The headers of a new key."""
        given: dict[str, Any] = {"grants": [practice], "scopes": ["ratings:write"], **more}
        return {"Authorization": f"Bearer {add_key(self.keys, **given).secret}"}

    async def post(
        self, headers: Mapping[str, str], body: object = None, *, query: str = ""
    ) -> httpx.Response:
        """Send one rating: a body as JSON, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(RATING if body is None else body).encode()
        kind = {"Content-Type": "application/json"}
        return await self.http.post(f"/v1/ratings{query}", content=content, headers={**kind, **headers})

    async def batch(self, headers: Mapping[str, str], body: bytes, *, query: str = "") -> httpx.Response:
        """Send lines."""
        kind = {"Content-Type": "application/x-ndjson"}
        return await self.http.post(f"/v1/ratings/batch{query}", content=body, headers={**kind, **headers})

    async def published(self, practice: str, topic: Topic = SESSION_RATED) -> list[Published]:
        """All ratings of a practice in a topic, by partition and offset."""
        return [
            record
            for record in await all_records(self.bootstrap, topic)
            if record.event["data"].get("practice_id") == practice
        ]

    async def metric(self, name: str) -> float:
        """The value of one series, as /metrics spells it."""
        page = (await self.management.get("/metrics")).text
        return next(
            float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(f"{name} ")
        )


def lines(*bodies: object) -> bytes:
    """NDJSON; bytes are taken as they are."""
    return b"".join(
        (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n" for each in bodies
    )


def results(response: httpx.Response) -> list[dict[str, Any]]:
    """The result lines of a batch."""
    return [json.loads(line) for line in response.text.splitlines()]


async def all_records(bootstrap: str, topic: Topic = SESSION_RATED) -> list[Published]:
    """Everything in a topic."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        numbers = await consumer._client._wait_on_metadata(topic.name) or set()
        places = [TopicPartition(topic.name, number) for number in sorted(numbers)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, 0)
        found: dict[TopicPartition, list[Published]] = {place: [] for place in places}
        async with asyncio.timeout(DEADLINE_S):
            while any([await consumer.position(place) < ends[place] for place in places]):
                for place, records in (await consumer.getmany(timeout_ms=100)).items():
                    found[place] += [
                        Published(each.partition, each.key, each.value, list(each.headers))
                        for each in records
                    ]
    finally:
        await consumer.stop()
    return [record for place in places for record in found[place]]


@asynccontextmanager
async def running_ingest(
    kafka_env: Mapping[str, str],
    folder: Path,
    *,
    clock: Clock | None = None,
    wait_for_kafka: bool = True,
    instruments_dir: Path | None = None,
    **limits: object,
) -> AsyncIterator[Running]:
    """Serve until the block ends. With a clock of the test's own, no heartbeats are sent."""
    bootstrap = kafka_env["KAFKA_BOOTSTRAP_SERVERS"]
    keys = folder / "keys.json"
    add_key(keys, grants=["nobody"], scopes=["none"])
    ingest = build(
        ingest=IngestSettings.model_validate(limits),
        instruments=Catalogue.load(instruments_dir),
        kafka=KafkaSettings(bootstrap_servers=bootstrap, embedded="KAFKA_EMBEDDED" in kafka_env),
        credentials_file=keys,
        key_secret=SECRET,
        clock=clock or SystemClock(),
    )
    stop = asyncio.Event()
    with capture_logs() as logs:
        beside = ingest.beside if clock is None else ingest.beside[:1]
        serving = asyncio.create_task(
            serve(
                ingest.app,
                HttpSettings(),
                ingest.metrics,
                management=ingest.management,
                bodies=ingest.bodies,
                beside=beside,
                stop=stop,
            )
        )
        expected = "kafka-acknowledges" if wait_for_kafka else "listening"
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not any(entry["event"] == expected for entry in logs) and not serving.done():  # noqa: ASYNC110 - log lines cannot be awaited
                    await asyncio.sleep(0.005)
            listening = next(entry for entry in logs if entry["event"] == "listening")
            url, management_url = listening["url"], listening["management_url"]
            async with (
                httpx.AsyncClient(base_url=url, timeout=DEADLINE_S) as http,
                httpx.AsyncClient(base_url=management_url, timeout=DEADLINE_S) as management,
            ):
                yield Running(url, bootstrap, keys, ingest, http, management, logs)
        finally:
            stop.set()
            await serving
