"""Runs the notifier without Kafka: pipeline, worker and pages over a real PostgreSQL, fed directly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from schemas.envelope import (
    TherapistRespondedEvent,
    decode,
)
from schemas.events import (
    EpisodeChanged,
    HeartbeatSent,
    TherapistResponded,
)
from schemas.instruments.settings import InstrumentSettings
from schemas.rejected import rejected_events
from services.notifier.app import build_app
from services.notifier.channels.channel import Channel, MailTiming, read_channel_settings
from services.notifier.deliveries.queue import LINK_QUEUE, QUEUES_OF_WORKERS
from services.notifier.directory.store import PracticeOptions, put_practice
from services.notifier.directory_changes import put_therapist
from services.notifier.domain.therapist import Therapist
from services.notifier.settings import (
    MailSettings,
    RetrySettings,
    WebhookSettings,
    WebSettings,
    WorkerSettings,
)
from services.notifier.wiring import NotifierComponents, NotifierSettings, build_components
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.health import Health, management_application
from services.runtime.http.key_file import add_key
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.erasures import pass_gate
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.episodes import NOW, record_of
from tests.support.notifier.mail_server import MailServer

PUBLIC_URL = "http://rapport.example"
MAIL_FROM = "Rapport <no-reply@rapport.example>"


class MovableClock:
    """A clock whose time changes only when a test moves it."""

    __test__ = False

    def __init__(self, now: datetime = NOW) -> None:
        self.at = now

    def now(self) -> datetime:
        """Return the current time."""
        return self.at

    def monotonic(self) -> float:
        """Return the current time in seconds."""
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Move the clock by this time."""
        self.at += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@dataclass
class NotifierDriver:
    """Feeds changes to a notifier, and shows everything that it did."""

    url: str
    components: NotifierComponents
    app: FastAPI
    key: str
    credentials: Path
    clock: Clock
    management: FastAPI = field(default_factory=FastAPI)
    mail_server: MailServer = field(default_factory=MailServer)
    published: list[Outgoing] = field(default_factory=list)

    async def handle(self, *changes: EpisodeChanged | HeartbeatSent) -> None:
        """Process one batch of events."""
        await self.handle_records([record_of(change, offset) for offset, change in enumerate(changes)])

    async def handle_records(self, records: Sequence[Record]) -> None:
        """Process one batch of records."""

        async def work(tx: Transaction) -> None:
            await self.components.pipeline(tx, records)

        await self.transact(work)

    async def transact(self, work: Callable[[Transaction], Awaitable[None]]) -> None:
        """Run a handler in a transaction as the consume loop does, without Kafka."""
        async with await AsyncConnection.connect(self.url) as conn:
            tx = Transaction(conn, self.clock.now(), "cluster", rejected_events("notifier", Outgoing))
            await pass_gate(conn)
            await work(tx)
        self.published += tx.outgoing
        for count in tx.after_commit:
            count()

    async def rows(self, query: str, *values: object) -> list[TupleRow]:
        """Return the rows of a query."""
        async with await AsyncConnection.connect(self.url) as conn:
            return await (await conn.execute(query, values)).fetchall()

    async def decisions(self) -> set[tuple[str, str, str, str]]:
        """Return every decision: (change, channel, outcome, reason)."""
        found = await self.rows("SELECT change, channel, outcome, reason FROM notifier.decision")
        return {(a, b, c, d) for a, b, c, d in found}

    async def delivery_states(self) -> list[tuple[str, str, str | None]]:
        """Return every delivery: (channel, state, reason)."""
        query = "SELECT channel, state, reason FROM notifier.delivery ORDER BY created_at, channel"
        return [(a, b, c) for a, b, c in await self.rows(query)]

    async def add_therapist(self, **fields: object) -> Therapist:
        """Put a therapist into the directory, whose mail is immediate unless `fields` say otherwise."""
        values: dict[str, Any] = {
            "practice_id": "north",
            "therapist_id": "t-1",
            "address": "t1@north.example",
            "mail_timing": MailTiming.IMMEDIATE,
        }
        therapist = Therapist(**{**values, **fields})
        async with await AsyncConnection.connect(self.url) as conn:
            await put_therapist(conn, therapist, self.clock.now(), actor="a test")
        return therapist

    async def set_practice(self, practice: PracticeOptions) -> None:
        """Set a practice's options."""
        async with await AsyncConnection.connect(self.url) as conn:
            await put_practice(conn, practice)

    async def run_due_jobs(self, concurrency: int = 1) -> None:
        """Run every job that is due, `concurrency` of them at the same time."""
        if await self.rows("SELECT FROM notifier.link_request"):
            await self.answer_link_requests()
        queues = {queue for of_worker in QUEUES_OF_WORKERS for queue in of_worker} - {LINK_QUEUE}
        await self._run(sorted(queues), concurrency)

    async def answer_link_requests(self) -> None:
        """Queue the mails with links that browsers asked for."""
        await self._run([LINK_QUEUE], concurrency=1)

    async def _run(self, queues: Sequence[str], concurrency: int) -> None:
        await self.components.queue.app.run_worker_async(
            queues=queues,
            concurrency=concurrency,
            wait=False,
            install_signal_handlers=False,
            delete_jobs="always",
            listen_notify=False,
        )

    async def sweep(self, concurrency: int = 1) -> None:
        """Queue what is due, as the worker does every few seconds, and run it."""
        await self.components.queue.sweep(self.components.pool, 10, self.clock.now())
        await self.run_due_jobs(concurrency)

    async def run_waiting_jobs(self) -> None:
        """Run every job as if its pause were over, and those that follow until none is due."""
        await self.rows("UPDATE notifier_jobs.procrastinate_jobs SET scheduled_at = now() RETURNING 1")
        await self.run_due_jobs()

    async def run_waiting_jobs_until_none_is_retried(self) -> None:
        """Run every job as if its pause were over: a slow machine may fail an attempt once more."""
        async with asyncio.timeout(60):
            while any(state == "retrying" for _, state, _ in await self.delivery_states()):
                await self.run_waiting_jobs()

    async def run_jobs_until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        """Run jobs as they become due until a condition holds."""
        async with asyncio.timeout(20):
            while not await holds():
                await self.run_due_jobs()

    def advance(self, by: timedelta) -> None:
        """Move the clock."""
        assert isinstance(self.clock, MovableClock)
        self.clock.at += by

    def browser(self) -> httpx.AsyncClient:
        """Return a client that acts as a browser without scripts."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=PUBLIC_URL)

    def operator(self) -> httpx.AsyncClient:
        """Return a client of the management port."""
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.management), base_url="http://operator")

    def api_client(self) -> httpx.AsyncClient:
        """Return a client that acts as a practice's system with its key."""
        head = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=PUBLIC_URL, headers=head)

    def answers(self) -> list[TherapistResponded]:
        """Return the answers that were published."""
        events = [decode(out.value) for out in self.published]
        return [one.data for one in events if isinstance(one, TherapistRespondedEvent)]


@asynccontextmanager
async def running_notifier(
    url: str,
    folder: Path,
    *,
    clock: Clock | None = None,
    smtp_port: int = 9,
    mail: MailSettings | None = None,
    webhooks: WebhookSettings | None = None,
    retry: RetrySettings | None = None,
    allow_private_webhooks: bool = False,
    openid_file: Path | None = None,
) -> AsyncIterator[NotifierDriver]:
    """Run a notifier over a migrated database; without a clock its time changes only by `advance`.

    `mail`, `webhooks` and `retry` take the place of the settings that tests have otherwise.
    """
    secret, credentials = folder / "signing", folder / "credentials.json"
    secret.write_text("0123456789abcdef" * 4)
    key = add_key(credentials, grants=["north"], scopes=["therapists:write", "results:read"])
    clock = clock or MovableClock()
    metrics = ConsumerMetrics("notifier")
    health = Health(clock, metrics)
    own = NotifierSettings(
        web=WebSettings(public_url=PUBLIC_URL, signing_secret_file=secret, openid_file=openid_file),
        channels={
            **read_channel_settings(),
            Channel.EMAIL: mail or MailSettings(smtp_port=smtp_port, smtp_tls="none", mail_from=MAIL_FROM),
            Channel.WEBHOOK: webhooks or WebhookSettings(allow_private_webhooks=allow_private_webhooks),
        },
        retry=retry or RetrySettings(retry_first_s=0.05, retry_cap_s=0.2),
        worker=WorkerSettings(),
        instruments=InstrumentSettings(),
    )
    components = build_components(own, DatabaseSettings.model_validate({"url": url}), metrics, health, clock)
    notifier = NotifierDriver(url, components, FastAPI(), key.secret, credentials, clock)
    notifier.app = build_app(
        components.page_context(notifier.transact),
        CredentialStore(credentials),
        own.channels,
        health,
    )
    notifier.management = management_application(notifier.app, health, metrics)
    jobs = components.worker.jobs
    await components.pool.open()
    await components.requests.open()
    await jobs.open()
    await components.queue.app.open_async(jobs)
    try:
        yield notifier
    finally:
        await jobs.close()
        await components.requests.close()
        await components.pool.close()
