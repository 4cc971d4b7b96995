"""Builds the ingest application and its background tasks from the settings."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from starlette.types import Lifespan

from schemas import topics
from schemas.instruments.catalogue import Catalogue
from services.ingest.fhir import routes as fhir_routes
from services.ingest.heartbeat import Heartbeats
from services.ingest.metrics import IngestMetrics
from services.ingest.openapi import texts
from services.ingest.openapi.document import openapi
from services.ingest.openapi.page import serve_docs
from services.ingest.publisher import CHECK, Publisher
from services.ingest.quota import Quotas
from services.ingest.request_batch import AcceptanceClock, IngestContext
from services.ingest.routes import router
from services.ingest.settings import IngestSettings
from services.runtime.http import error_responses
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.health import Health, health_router, management_application
from services.runtime.http.request_body import BodyLimits
from services.runtime.http.server import Background
from services.runtime.kafka.client_options import EMBEDDED_PARTITIONS
from services.runtime.kafka.producer import Producer
from services.runtime.process.clock import Clock
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import KafkaSettings

LINGER_MS = 0
"""Records gather anyway while the broker processes the previous request: lingering only adds latency."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """The application, and the background tasks that run as long as it serves."""

    app: FastAPI
    management: FastAPI
    beside: tuple[Background, ...]
    metrics: Metrics
    bodies: BodyLimits


def build(
    *,
    ingest: IngestSettings,
    instruments: Catalogue,
    kafka: KafkaSettings,
    credentials_file: Path,
    key_secret: bytes,
    clock: Clock,
) -> Ingest:
    """Build everything without connecting to anything yet."""
    metrics = Metrics("ingest", topics=[lane.name for lane in topics.LANES])
    own_metrics = IngestMetrics(metrics.registry)
    health = Health(clock, metrics, checks=[CHECK])
    quotas = Quotas(ingest, clock.monotonic)
    publisher = Publisher(
        Producer(kafka, metrics, linger_ms=LINGER_MS),
        expected_partitions=EMBEDDED_PARTITIONS if kafka.embedded else topics.PARTITIONS,
        deadline_s=ingest.ack_deadline_s,
        quotas=quotas,
        clock=clock,
        health=health,
        metrics=own_metrics,
    )
    context = IngestContext(
        settings=ingest,
        single_limits=ingest.single_limits,
        batch_limits=ingest.batch_limits,
        bundle_limits=ingest.bundle_limits,
        credentials=CredentialStore(credentials_file, clock, health, added_by="`rapport practices add`"),
        key_secret=key_secret,
        instruments=instruments,
        clock=clock,
        acceptance_clock=AcceptanceClock(clock.now),
        quotas=quotas,
        publisher=publisher,
        metrics=own_metrics,
    )

    @asynccontextmanager
    async def close_after_last_response(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await publisher.close()

    app = application(close_after_last_response)
    app.state.context = context
    app.include_router(health_router(health))
    management = management_application(app, health, metrics, app.openapi, serve_docs)
    beside = (publisher, Heartbeats(publisher, clock, health, own_metrics))
    return Ingest(app, management, beside, metrics, context.batch_limits)


def application(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Build the HTTP application alone, which is enough for the OpenAPI document."""
    app = FastAPI(
        title=texts.TITLE,
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.include_router(router)
    app.include_router(fhir_routes.router)
    error_responses.install(app)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app
