"""Builds what outlives every process: the tables, the models, the results API and the notifier's components.

What a process holds in memory (positions, what waits to be published, practices' rows) is built anew for each
process; what is built here holds nothing of the ratings.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from fastapi import FastAPI

from schemas import topics
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.settings import InstrumentSettings
from schemas.rejected import rejected_events
from services.cli.admin import repair_halts
from services.detector import app as detector_app
from services.detector.domain.detector import Detector, HeartbeatHistory
from services.detector.domain.practice import Models, PracticeRows
from services.detector.jobs import daily_sweep
from services.detector.jobs.daily_sweep import DailySweep
from services.detector.results.application import results_application
from services.detector.results.dependencies import results_pool
from services.detector.settings import DetectorSettings
from services.detector.stream import pipeline
from services.detector.stream.batch import Tools
from services.notifier.channels import email
from services.notifier.channels.channel import Channel, read_channel_settings
from services.notifier.inbox import answers_before
from services.notifier.settings import MailSettings, RetrySettings, WebSettings, WorkerSettings
from services.notifier.wiring import NotifierComponents, NotifierSettings, build_components
from services.runtime.consumer import batch_consumer, kafka_session, partition_setup, published_check
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics, RecordHandling
from services.runtime.consumer.published_check import PublishedTopics
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.health import Health
from services.runtime.http.key_file import add_key
from services.runtime.kafka.record import Outgoing
from services.runtime.kafka.subscription import SubscriptionListener
from services.runtime.outbox import relay
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres import connect as postgres_connect
from services.runtime.postgres import reconnecting_connection
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.settings import DatabaseSettings, KafkaSettings
from tests.support.whole_flow.consumer_process import CrashPlan
from tests.support.whole_flow.kafka_log import (
    KafkaLog,
    LogPoller,
    LogProducer,
    LogReaderDouble,
    LogSubscription,
)
from tests.support.whole_flow.kept_connections import KeptConnections
from tests.support.whole_flow.mail_sink import MailSink

START = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)
"""Five days before the clocks of Europe go forward."""
PRACTICES = ("north", "south")
OTHER_MODEL = "toy-2"
"""A model that is loaded beside the default one."""
KAFKA = KafkaSettings(embedded=True)
_PATIENCE_S = 600.0
"""No deadline of the product passes while a slow machine works on a step: outages are drawn, not measured."""
_limits = partial(BatchLimits, transaction_deadline_s=_PATIENCE_S, scheduled_deadline_s=_PATIENCE_S)
Stage = Callable[..., Awaitable[Any]]


class ManualTime:
    """A clock that the test moves; whoever sleeps goes on at once."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        """Return the current date and time."""
        return self.at

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return (self.at - START).total_seconds()

    async def sleep(self, _seconds: float) -> None:
        """Return at once."""


@dataclass
class Deployment:
    """What is there however often processes end."""

    database: DatabaseSettings
    clock: ManualTime
    crash: CrashPlan
    log: KafkaLog
    mail: MailSink
    models: tuple[Detector, ...]
    catalogue: Catalogue
    credentials: Path
    notifier: NotifierComponents
    results: httpx.AsyncClient
    keys: dict[str, str]
    kept: KeptConnections
    metrics: ConsumerMetrics
    """Those of all notifiers, as nothing here reads them."""
    most_records: int = 4
    """Records of a batch: where they are few, batches are often full, and overlap with the one before."""

    def detector_consumer(self) -> tuple[BatchConsumer, DailySweep]:
        """Build a detector's process, as its service does."""
        tools = Tools(Models(*self.models), PracticeRows(), self.catalogue, HeartbeatHistory((), 0.1))
        service = detector_app.build(
            detector=DetectorSettings(max_records=self.most_records, strands=1),
            kafka=KAFKA,
            database=self.database,
            credentials_file=self.credentials,
            clock=self.clock,
            tools=tools,
            checkpoint=lambda label: self.crash.reach(f"detector {label}"),
        )
        return service.consumer, service.sweep

    def notifier_consumer(self) -> BatchConsumer:
        """Build a notifier's consumer as its process does."""
        metrics = self.metrics
        return BatchConsumer(
            "notifier",
            ConsumedTopics(
                [topics.EPISODE_CHANGED.name], group="rapport-notifier", background=[topics.ASSESSED.name]
            ),
            RecordHandling(
                self.notifier.pipeline,
                rejected_events("notifier", Outgoing),
                published=PublishedTopics(
                    [topics.THERAPIST_RESPONDED.name],
                    partial(answers_before.take_up, erasures=self.notifier.pipeline.erasures),
                ),
            ),
            _limits(max_records=self.most_records),
            kafka=KAFKA,
            database=self.database,
            metrics=metrics,
            health=Health(self.clock, metrics),
            clock=self.clock,
            checkpoint=lambda label: self.crash.reach(f"notifier {label}"),
        )


@asynccontextmanager
async def deployment(url: str, folder: Path, models: tuple[Detector, ...]) -> AsyncIterator[Deployment]:
    """Build everything over a migrated database, with the doubles of Kafka and of the mail server."""
    database = DatabaseSettings.model_validate({"url": url})
    clock, crash, credentials = ManualTime(), CrashPlan(), folder / "keys.json"
    keys = {
        practice: add_key(credentials, grants=[practice], scopes=["results:read"]).secret
        for practice in PRACTICES
    }
    sink = MailSink(clock, crash.reach)
    metrics = ConsumerMetrics("notifier", topics=[topic.name for topic in topics.ALL])
    results = results_pool(database)
    app = results_application(results, CredentialStore(credentials, clock), Erasures("detector"))
    with ExitStack() as patches:
        patches.enter_context(patch.object(email, "SMTP", sink.server))
        limits = dict.fromkeys(("idle_in_transaction_session_timeout", "lock_timeout"), f"{_PATIENCE_S:g}s")
        # The server itself never ends here, so nothing has to be on its disk.
        patches.enter_context(patch.dict(postgres_connect.SESSION, limits, synchronous_commit="off"))
        made = Deployment(
            database, clock, crash, KafkaLog("none"), sink, models, Catalogue.load(), credentials,
            _notifier(database, folder, clock, metrics),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://results"),
            keys, KeptConnections(), metrics,
        )  # fmt: skip
        _replace_clients(made, patches)
        _reach_stages(made, patches)
        jobs = made.notifier.worker.jobs
        async with AsyncExitStack() as stack:
            for opened in (results, made.notifier.pool, made.notifier.requests, jobs):
                await opened.open()
                stack.push_async_callback(opened.close)
            await made.notifier.queue.app.open_async(jobs)
            await stack.enter_async_context(made.results)
            stack.push_async_callback(made.kept.close)
            yield made


def _notifier(
    database: DatabaseSettings, folder: Path, clock: ManualTime, metrics: ConsumerMetrics
) -> NotifierComponents:
    secret = folder / "signing"
    secret.write_text("0123456789abcdef" * 4)
    settings = NotifierSettings(
        web=WebSettings(public_url="http://rapport.example", signing_secret_file=secret),
        channels={**read_channel_settings(), Channel.EMAIL: MailSettings(smtp_tls="none")},
        retry=RetrySettings(),
        worker=WorkerSettings(),
        instruments=InstrumentSettings(),
    )
    return build_components(settings, database, metrics, Health(clock, metrics), clock)


class _Then(datetime):
    @classmethod
    def now(cls, _zone: object = None) -> "_Then":
        return cls(START.year, START.month, START.day, tzinfo=UTC)


def _replace_clients(made: Deployment, patches: ExitStack) -> None:
    """Have the services build doubles of Kafka's clients instead of connecting."""

    def subscription(
        _kafka: object,
        names: Sequence[str],
        group: str,
        listener: SubscriptionListener,
        *,
        background: Sequence[str],
        **_: object,
    ) -> LogSubscription:
        return LogSubscription(made.log, names, group, listener, background)

    @asynccontextmanager
    async def open_log(_kafka: object, topic: str, partition: int) -> AsyncIterator[LogReaderDouble]:
        yield LogReaderDouble(made.log, (topic, partition))

    for where, name, double in (
        (batch_consumer, "connect_for_all_practices", made.kept.connect),
        (reconnecting_connection, "connect_for_all_practices", made.kept.connect),
        (relay, "connect_for_all_practices", made.kept.connect),
        (batch_consumer, "Producer", lambda *_: LogProducer(made.log)),
        (kafka_session, "Subscription", subscription),
        (repair_halts, "open_log", open_log),
        (published_check, "AIOKafkaConsumer", lambda **_: LogPoller(made.log)),
        (daily_sweep, "weekly_jobs", lambda _tools: ()),  # no history here is long enough for them
        (repair_halts, "datetime", _Then),  # events of any age are published again
        (partition_setup, "BETWEEN_LOOKS_S", 0.0),
        (published_check, "BETWEEN_LOOKS_S", 0.0),
        (partition_setup, "_KAFKA_DEADLINE_S", _PATIENCE_S),
        (published_check, "_KAFKA_DEADLINE_S", _PATIENCE_S),
        (batch_consumer, "_PUBLISH_WAIT_S", _PATIENCE_S),
        (detector_app, "BatchLimits", _limits),
        # One application reads the results for all processes.
        (detector_app, "results_application", lambda *_: FastAPI(openapi_url=None)),
    ):
        patches.enter_context(patch.object(where, name, double))


def _reach_stages(made: Deployment, patches: ExitStack) -> None:
    """Let a process end before any stage, too."""

    def reaching(service: str, stage: Stage) -> Stage:
        name = getattr(stage, "__name__", type(stage).__name__)

        async def staged(*arguments: object) -> object:
            made.crash.reach(f"{service} {name}")
            return await stage(*arguments)

        return staged

    stages = tuple(reaching("detector", stage) for stage in pipeline.STAGES)
    patches.enter_context(patch.object(pipeline, "STAGES", stages))
    made.notifier.pipeline.stages = tuple(
        reaching("notifier", stage) for stage in made.notifier.pipeline.stages
    )
