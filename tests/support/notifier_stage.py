"""The notifier without Kafka: pipeline, worker and pages over a real PostgreSQL, fed directly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import httpx
from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from schemas.envelope import (
    EpisodeChangedEvent,
    HeartbeatEvent,
    TherapistRespondedEvent,
    decode,
    encode,
    envelope_fields,
)
from schemas.events import (
    Change,
    Component,
    ComponentAssessment,
    EpisodeChanged,
    HeartbeatSent,
    KeptBack,
    Movement,
    TherapistResponded,
    TrajectoryPoint,
)
from schemas.ids import ClientId, Dyad, EpisodeId, PracticeId, TherapistId, episode_event_id, record_key
from schemas.topics import EPISODE_CHANGED
from services.notifier.app import build_app
from services.notifier.directory import Practice, put_practice, put_therapist
from services.notifier.jobs import QUEUE
from services.notifier.parts import NotifierSettings, Parts, put_together
from services.notifier.rejected import rejected_event
from services.notifier.settings import (
    MailSettings,
    RetrySettings,
    WebhookSettings,
    WebSettings,
    WorkerSettings,
)
from services.notifier.therapist import Therapist
from services.runtime.clock import Clock
from services.runtime.credentials import CredentialStore, add_key
from services.runtime.health import Health
from services.runtime.metrics import Metrics
from services.runtime.migrate import migrate
from services.runtime.record import Outgoing, Record
from services.runtime.settings import DatabaseSettings
from services.runtime.transaction import Transaction
from tests.support.mail_server import MailServer

NOW = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)
PUBLIC_URL = "http://rapport.example"
WEEK = timedelta(days=7)
_NAMES = UUID("5d0e7a52-62a0-4b7f-a1f5-6a3f2a7c9d10")


def episode_named(name: str) -> EpisodeId:
    """A stable episode id for a test."""
    return EpisodeId(uuid5(_NAMES, name))


class TestClock:
    """A clock that stands still until it is moved."""

    __test__ = False

    def __init__(self, now: datetime = NOW) -> None:
        self.at = now

    def now(self) -> datetime:
        """Where it stands."""
        return self.at

    def monotonic(self) -> float:
        """The same in seconds."""
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Move on by that much."""
        self.at += timedelta(seconds=seconds)


def trajectory(sessions: int = 9, last: datetime = NOW) -> tuple[TrajectoryPoint, ...]:
    """Weekly sessions that go well, one without a form, and two in which goals fall."""
    points = []
    for index in range(sessions):
        fell = index >= sessions - 2
        if index == 3:
            points.append(TrajectoryPoint(session_at=last - WEEK * (sessions - 1 - index), usual=0.86))
            continue
        swing = (0.02, -0.01, 0.015, 0.0, -0.02)[index % 5]
        points.append(
            TrajectoryPoint(
                session_at=last - WEEK * (sessions - 1 - index),
                bond=round(0.9 + swing, 3) - (0.06 if fell else 0),
                goal=round(0.86 - swing, 3) - (0.33 + 0.05 * (index - sessions + 2) if fell else 0),
                task=round(0.84 + swing / 2, 3) - (0.12 if fell else 0),
                overall=round(0.88 + swing / 3, 3) - (0.15 if fell else 0),
                usual=0.86,
                flagged=fell,
            )
        )
    return tuple(points)


def changed(
    change: Change = Change.OPENED,
    revision: int = 1,
    *,
    episode: str = "one",
    practice: str = "north",
    therapist: str = "t-1",
    client: str = "c-canary-77",
    kept_back: KeptBack | None = None,
    session: str = "s-9",
    session_at: datetime = NOW - timedelta(hours=2),
    movement: Movement | None = Movement.SUDDEN_FALL,
    leading: Component = Component.GOAL,
    ratings: int = 8,
    **more: object,
) -> EpisodeChanged:
    """A change of an episode as the detector emits it."""
    values: dict[str, Any] = {
        "episode_id": episode_named(episode),
        "revision": revision,
        "change": change,
        "kept_back": kept_back,
        "practice_id": practice,
        "therapist_id": therapist,
        "client_id": client,
        "session_id": session,
        "session_at": session_at,
        "opened_at": session_at,
        "next_session_at": session_at + WEEK,
        "instrument": "srs",
        "risk": 0.7134,
        "components": {
            Component.BOND: ComponentAssessment(risk=0.05, score=8.4, usual=9.0, change=-0.6),
            Component.GOAL: ComponentAssessment(risk=0.52, score=4.87, usual=8.61, change=-3.74),
            Component.TASK: ComponentAssessment(risk=0.1, score=7.2, usual=8.4, change=-1.2),
            Component.OVERALL: ComponentAssessment(risk=0.04, score=7.3, usual=8.8, change=-1.5),
        },
        "leading_component": leading,
        "movement": movement,
        "ratings": ratings,
        "trajectory": trajectory(last=session_at),
        "model_version": "toy",
        "accepted_at": session_at + timedelta(hours=1),
    }
    return EpisodeChanged(**{**values, **more})


def key_of(change: EpisodeChanged) -> bytes:
    """The key under which the detector publishes."""
    dyad = Dyad(PracticeId(change.practice_id), TherapistId(change.therapist_id), ClientId(change.client_id))
    return record_key(b"test", dyad)


def record_of(change: EpisodeChanged | HeartbeatSent, offset: int = 0, partition: int = 3) -> Record:
    """The change or heartbeat as it lies in the topic."""
    if isinstance(change, EpisodeChanged):
        key = key_of(change)
        event_id = episode_event_id(EpisodeId(change.episode_id), change.revision)
        fields = envelope_fields(event_id, "detector", change.accepted_at, key)
        value = encode(EpisodeChangedEvent.model_validate({**fields, "data": change}))
    else:
        key = b"heartbeat"
        fields = envelope_fields("beat", "detector", change.sent_at, key)
        value = encode(HeartbeatEvent.model_validate({**fields, "data": change}))
    return Record(EPISODE_CHANGED.name, partition, offset, 0, key, value)


@dataclass
class Stage:
    """The notifier on a stage: changes go in, and everything it did can be looked at."""

    url: str
    parts: Parts
    app: FastAPI
    key: str
    clock: Clock
    mail_server: MailServer = field(default_factory=MailServer)
    published: list[Outgoing] = field(default_factory=list)

    async def handle(self, *changes: EpisodeChanged | HeartbeatSent) -> None:
        """Hand in one batch."""
        await self.handle_records([record_of(change, offset) for offset, change in enumerate(changes)])

    async def handle_records(self, records: Sequence[Record]) -> None:
        """Hand in one batch of records."""

        async def work(tx: Transaction) -> None:
            await self.parts.pipeline(tx, records)

        await self.transact(work)

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """What the consume loop does around a handler, without Kafka."""
        async with await AsyncConnection.connect(self.url) as conn:
            tx = Transaction(conn, self.clock.now(), "cluster", rejected_event)
            await work(tx)
        self.published += tx.outgoing
        for count in tx.after_commit:
            count()

    async def rows(self, query: str, *values: object) -> list[TupleRow]:
        """What a query finds."""
        async with await AsyncConnection.connect(self.url) as conn:
            return await (await conn.execute(query, values)).fetchall()

    async def decisions(self) -> set[tuple[str, str, str, str]]:
        """Every decision: (change, channel, outcome, reason)."""
        found = await self.rows("SELECT change, channel, outcome, reason FROM notifier.decision")
        return {(a, b, c, d) for a, b, c, d in found}

    async def states(self) -> list[tuple[str, str, str | None]]:
        """Every delivery: (channel, state, reason)."""
        query = "SELECT channel, state, reason FROM notifier.delivery ORDER BY created_at, channel"
        return [(a, b, c) for a, b, c in await self.rows(query)]

    async def add(self, **fields: object) -> Therapist:
        """Put a therapist into the directory."""
        values: dict[str, Any] = {
            "practice_id": "north",
            "therapist_id": "t-1",
            "address": "t1@north.example",
        }
        therapist = Therapist(**{**values, **fields})
        async with await AsyncConnection.connect(self.url) as conn:
            await put_therapist(conn, therapist)
        return therapist

    async def practice(self, practice: Practice) -> None:
        """Set a practice's options."""
        async with await AsyncConnection.connect(self.url) as conn:
            await put_practice(conn, practice)

    async def work_off(self) -> None:
        """Run every job that is due."""
        await self.parts.queue.app.run_worker_async(
            queues=[QUEUE],
            wait=False,
            install_signal_handlers=False,
            delete_jobs="always",
            listen_notify=False,
        )

    async def work_until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Run jobs as they become due until something holds."""
        async with asyncio.timeout(20):
            while not await holds():
                await self.work_off()

    def move_on(self, by: timedelta) -> None:
        """Move the clock."""
        assert isinstance(self.clock, TestClock)
        self.clock.at += by

    def browser(self) -> httpx.AsyncClient:
        """A browser without scripts."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=PUBLIC_URL)

    def caller(self) -> httpx.AsyncClient:
        """A practice's system with its key."""
        head = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=PUBLIC_URL, headers=head)

    def answers(self) -> list[TherapistResponded]:
        """The answers that were published."""
        events = [decode(out.value) for out in self.published]
        return [one.data for one in events if isinstance(one, TherapistRespondedEvent)]


@asynccontextmanager
async def notifier_stage(
    url: str,
    folder: Path,
    *,
    clock: Clock | None = None,
    smtp_port: int = 9,
    allow_private_webhooks: bool = False,
) -> AsyncIterator[Stage]:
    """A notifier over a fresh database; without a clock its time stands still."""
    migrate(url, "notifier")
    secret, credentials = folder / "signing", folder / "credentials.json"
    secret.write_text("0123456789abcdef" * 4)
    key = add_key(credentials, grants=["north"], scopes=["therapists:write", "results:read"])
    clock = clock or TestClock()
    metrics = Metrics("notifier")
    health = Health(clock, metrics)
    own = NotifierSettings(
        web=WebSettings(public_url=PUBLIC_URL, signing_secret_file=secret),
        mail=MailSettings(
            smtp_port=smtp_port,
            smtp_tls="none",
            mail_from="Rapport <no-reply@rapport.example>",
        ),
        webhooks=WebhookSettings(allow_private_webhooks=allow_private_webhooks),
        retry=RetrySettings(retry_first_s=0.05, retry_cap_s=0.2),
        worker=WorkerSettings(),
    )
    parts = put_together(own, DatabaseSettings.model_validate({"url": url}), metrics, health, clock)
    stage = Stage(url, parts, FastAPI(), key.secret, clock)
    stage.app = build_app(
        parts.desk(stage.transact), CredentialStore(credentials), own.webhooks, health, metrics
    )
    jobs = parts.worker.jobs
    await parts.pool.open()
    await jobs.open()
    await parts.queue.app.open_async(jobs)
    try:
        yield stage
    finally:
        await jobs.close()
        await parts.pool.close()
