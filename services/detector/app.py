"""Builds the detector from its settings: the results API, the consumer and the daily sweep."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from schemas import topics
from schemas.envelope import HEADERS
from schemas.instruments.definition import InvalidDefinition
from schemas.instruments.settings import InstrumentSettings
from schemas.rejected import rejected_events
from services.detector.domain.outcomes import BlockReason, RejectionReason
from services.detector.domain.practice import Models, PracticeRows
from services.detector.domain.reference import DriftMonitor
from services.detector.jobs.daily_sweep import DailySweep
from services.detector.jobs.take_up_blocked import Count
from services.detector.jobs.take_up_in_turn import TakeUpInTurn
from services.detector.metrics import DetectorMetrics
from services.detector.model.artefact import SHIPPED, load
from services.detector.model.manifest import read_manifest
from services.detector.results.application import results_application
from services.detector.results.dependencies import results_pool
from services.detector.settings import DetectorSettings
from services.detector.storage import lost_log, published_before
from services.detector.storage.client_names import ClientRenaming, rename_and_publish
from services.detector.storage.kept_rows import retention_rules
from services.detector.stream.batch import Batch, Tools
from services.detector.stream.pipeline import STAGES, process
from services.detector.stream.session_counts import new_assessments
from services.detector.stream.stages.decode import whose
from services.detector.stream.stages.heartbeat import fixed_risk
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics, RecordHandling
from services.runtime.consumer.fuse import Fuse
from services.runtime.consumer.log_ends import LogEndReader
from services.runtime.consumer.order_of_effects import Handler
from services.runtime.consumer.published_check import PublishedTopics
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.health import Health, health_router, management_application
from services.runtime.http.server import Background
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.pool_metrics import PoolMetrics
from services.runtime.postgres.retention import Retention
from services.runtime.postgres.table_versions import TableVersions
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Halt
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import DatabaseSettings, KafkaSettings

MODEL_CHECK = "model"
INPUT_TOPICS = (topics.SESSION_RATED.name, topics.THERAPIST_RESPONDED.name)


@dataclass(frozen=True, slots=True)
class DetectorService:
    """The application and the background tasks that run as long as it does."""

    app: FastAPI
    management: FastAPI
    background: tuple[Background, ...]
    consumer: BatchConsumer
    sweep: DailySweep
    metrics: DetectorMetrics
    runtime_metrics: Metrics


def load_tools(
    settings: DetectorSettings, instruments: InstrumentSettings, erasure_secret: bytes | None = None
) -> Tools:
    """Load the models and the instruments, and return the tools that the stages use.

    Raises:
        Halt: a model or an instrument's definition cannot be used.
    """
    try:
        catalogue = instruments.catalogue()
    except InvalidDefinition as bad:
        raise Halt(str(bad)) from None
    folder = settings.model_dir or SHIPPED
    shipped = load(folder)
    others = [load(folder) for folder in settings.other_model_dirs]
    return Tools(
        Models(shipped, *others),
        PracticeRows(),
        catalogue,
        shipped.heartbeat,
        read_manifest(folder).sha256,
        Erasures("detector", erasure_secret),
    )


def build(
    *,
    detector: DetectorSettings,
    kafka: KafkaSettings,
    database: DatabaseSettings,
    credentials_file: Path,
    clock: Clock,
    tools: Tools,
    checkpoint: Checkpoint = no_checkpoint,
) -> DetectorService:
    """Build the service without connecting to anything."""
    metrics = ConsumerMetrics(
        "detector", topics=[topic.name for topic in topics.ALL], reject_reasons=RejectionReason
    )
    own_metrics = DetectorMetrics(metrics.registry)
    own_metrics.model.info({"version": tools.models.default.version, "sha256": tools.model_sha256})
    drift = DriftMonitor(tools.models.default.reference)
    own_metrics.watch(drift)
    health = Health(clock, metrics)
    health.set_good(MODEL_CHECK)
    many_wait = asyncio.Event()

    for stage in STAGES:
        metrics.stage_seconds.labels(stage.__name__)

    def count(batch: Batch, at_s: float) -> None:
        assessments = new_assessments(batch, tools.models.default)
        drift.add(assessments)
        own_metrics.observe_risks(assessments)
        for stage, seconds in batch.stage_s.items():
            metrics.stage_seconds.labels(stage).observe(seconds)
        own_metrics.add(batch.counts, at_s)

    known_work = partial(fixed_risk, tools)
    limits = BatchLimits(
        max_records=detector.max_records,
        batch_timeout_ms=detector.batch_timeout_ms,
        background_records=detector.history_records,
        parallel_transactions=detector.strands,
    )
    consumer = BatchConsumer(
        "detector",
        ConsumedTopics(
            INPUT_TOPICS,
            group=detector.group,
            co_partitioned=[topic.name for topic in topics.CO_PARTITIONED],
            background=[topics.SESSION_HISTORY_RATED.name],
        ),
        RecordHandling(
            _handler(tools, count, many_wait),
            rejected_events("detector", Outgoing),
            owner_of=whose,
            published=PublishedTopics(
                (topics.ASSESSED.name, topics.EPISODE_CHANGED.name),
                partial(published_before.take_up, erasures=tools.erasures),
                lost_log.stored_events,
                HEADERS,
                topics.EPISODE_CHANGED.retention_ms / 1000,
            ),
            self_check=known_work,
        ),
        limits,
        kafka=kafka,
        database=database,
        metrics=metrics,
        health=health,
        clock=clock,
        checkpoint=checkpoint,
        serves_practices=True,
        tables=TableVersions.of("detector"),
    )
    sweep = DailySweep(
        consumer,
        tools,
        metrics=own_metrics,
        health=health,
        clock=clock,
        retention=Retention(
            "detector",
            retention_rules(audit_days=detector.audit_days, rejection_days=detector.rejection_days),
            metrics.registry,
        ),
        every_s=detector.sweep_every_s,
        max_dyads=detector.sweep_slice,
    )
    in_turn = TakeUpInTurn(
        consumer.transact,
        tools,
        many_wait,
        count=count,
        health=health,
        clock=clock,
        known_work=known_work,
        fuse=Fuse(limits.fuse),
    )
    results = results_pool(database, detector.results_connections)
    PoolMetrics(metrics.registry, results)
    keys = CredentialStore(credentials_file, clock, health, added_by="`rapport practices add`")
    log_ends = LogEndReader(consumer, [lane.name for lane in topics.LANES])

    async def rename(practice: str, old: str, new: str, actor: str) -> datetime:
        done: list[datetime] = []

        async def work(tx: Transaction) -> None:
            renaming = ClientRenaming(practice, old, new, actor)
            done.append(await rename_and_publish(tx, renaming, tools.erasures))

        await consumer.transact(work)
        return done[-1]

    app = results_application(results, keys, tools.erasures, log_ends.read, rename)
    management = management_application(app, health, metrics, app.openapi)
    app.include_router(health_router(health))
    return DetectorService(app, management, (consumer, sweep, in_turn), consumer, sweep, own_metrics, metrics)


def _handler(tools: Tools, count: Count, many_wait: asyncio.Event) -> Handler:
    async def handle(tx: Transaction, records: Sequence[Record]) -> None:
        batch = await process(tx, records, tools)

        def committed() -> None:
            count(batch, tx.now.timestamp())
            if any(one.reason is BlockReason.MANY_SESSIONS for one in batch.blocked):
                many_wait.set()

        tx.after_commit.append(committed)

    return handle


def unavailable_apps(why: str, clock: Clock, metrics: Metrics) -> tuple[FastAPI, FastAPI]:
    """Return applications for both ports that only report health: not ready, because no model can be used."""
    health = Health(clock, metrics)
    health.set_bad(MODEL_CHECK, why)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(health_router(health))
    return app, management_application(app, health, metrics)
