"""Runs the notifier as a process, with settings from the environment, until SIGTERM."""

import logging
import os
import sys
from functools import partial

from schemas.envelope import HEADERS
from schemas.instruments.settings import InstrumentSettings
from schemas.rejected import rejected_events
from schemas.topics import ASSESSED, CO_PARTITIONED, EPISODE_CHANGED, GROUPS, REJECTED, THERAPIST_RESPONDED
from services.notifier.app import build_app
from services.notifier.channels.channel import read_channel_settings
from services.notifier.inbox import answers_before
from services.notifier.inbox.stored_responses import stored_events
from services.notifier.openapi import openapi
from services.notifier.settings import (
    RetrySettings,
    WebSettings,
    WorkerSettings,
)
from services.notifier.wiring import NotifierSettings, build_components
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import ConsumedTopics, RecordHandling
from services.runtime.consumer.published_check import PublishedTopics
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.health import Health, management_application
from services.runtime.http.server import serve
from services.runtime.kafka.client_options import EMBEDDED_PARTITIONS
from services.runtime.kafka.record import Outgoing
from services.runtime.postgres.table_versions import TableVersions
from services.runtime.process.clock import SystemClock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.entrypoint import run_service
from services.runtime.process.kill_points import checkpoint_from
from services.runtime.process.settings import (
    CredentialSettings,
    DatabaseSettings,
    ErasureSettings,
    HttpSettings,
    KafkaSettings,
)

SERVICE = "notifier"
_REASONS = ("unexpected-event",)


async def run() -> None:
    """Read the settings, build the components, and serve.

    Raises:
        Halt: a setting cannot be used; the message says which.
        pydantic.ValidationError: a setting is missing or wrong.
    """
    # procrastinate logs several lines a job; our own log lines contain what matters.
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    own = NotifierSettings(
        web=WebSettings(),
        channels=read_channel_settings(),
        retry=RetrySettings(),
        worker=WorkerSettings(),
        instruments=InstrumentSettings(),
    )
    database, clock = DatabaseSettings(), SystemClock()
    metrics = ConsumerMetrics(
        SERVICE,
        topics=[ASSESSED.name, EPISODE_CHANGED.name, THERAPIST_RESPONDED.name, REJECTED.name],
        reject_reasons=_REASONS,
    )
    health = Health(clock, metrics)
    kafka = KafkaSettings()
    partitions = EMBEDDED_PARTITIONS if kafka.embedded else EPISODE_CHANGED.partitions
    components = build_components(
        own,
        database,
        metrics,
        health,
        clock,
        partitions=partitions,
        erasure_secret=ErasureSettings().secret(),
    )
    take_up = partial(answers_before.take_up, erasures=components.pipeline.erasures)
    consumer = BatchConsumer(
        SERVICE,
        ConsumedTopics(
            [EPISODE_CHANGED.name],
            group=GROUPS[SERVICE],
            co_partitioned=[topic.name for topic in CO_PARTITIONED],
            background=[ASSESSED.name],  # a practice that loads years of history assesses many sessions
        ),
        RecordHandling(
            components.pipeline,
            rejected_events(SERVICE, Outgoing),
            published=PublishedTopics(
                [THERAPIST_RESPONDED.name],
                take_up,
                stored_events,
                HEADERS,
                THERAPIST_RESPONDED.retention_ms / 1000,
            ),
        ),
        kafka=kafka,
        database=database,
        metrics=metrics,
        health=health,
        clock=clock,
        checkpoint=checkpoint_from(os.environ),
        serves_practices=True,
        tables=TableVersions.of(SERVICE),
    )
    credentials = CredentialStore(
        CredentialSettings().credentials_file, clock, health, added_by="`rapport practices add`"
    )
    app = build_app(components.page_context(consumer.transact), credentials, own.channels, health)
    management = management_application(app, health, metrics, openapi)
    await components.pool.open(wait=False)
    await components.requests.open(wait=False)
    try:
        await serve(app, HttpSettings(), metrics, management=management, beside=[components.worker, consumer])
    finally:
        await components.requests.close()
        await components.pool.close()


if __name__ == "__main__":
    sys.exit(run_service(SERVICE, run))
