"""Builds the notifier's components from its settings; none is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from psycopg_pool import AsyncConnectionPool

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.definition import InvalidDefinition
from schemas.instruments.settings import InstrumentSettings
from schemas.topics import EPISODE_CHANGED
from schemas.wording.guidance.guidance import Guidance, InvalidGuidance
from services.notifier.channels.channel import Channel, ChannelSettings, ServedChannel, build_channels
from services.notifier.deliveries.feed_watch import FeedWatch
from services.notifier.deliveries.link_requests import LinkRequestAnswerer
from services.notifier.deliveries.queue import QUEUES_OF_WORKERS, DeliveryQueue, jobs_pool
from services.notifier.deliveries.retry_policy import BackOff
from services.notifier.deliveries.sender import DeliverySender
from services.notifier.deliveries.worker import DeliveryWorker
from services.notifier.directory.store import Connection
from services.notifier.inbox.kept_rows import retention_rules
from services.notifier.inbox.record_response import Transact
from services.notifier.metrics import NotifierMetrics
from services.notifier.openid.pending_sign_in import PendingSigner
from services.notifier.openid.provider import OpenIdProvider
from services.notifier.openid.provider_settings import read_providers
from services.notifier.pipeline import Pipeline
from services.notifier.settings import (
    RetrySettings,
    WebSettings,
    WorkerSettings,
)
from services.notifier.sign_in import LinkSigner
from services.notifier.signing_secrets import SigningSecrets
from services.notifier.web.openid_pages import callback_path
from services.notifier.web.page_context import PageContext, PageRenderer
from services.notifier.wording import Wordings
from services.runtime.http.health import Health
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres.connect import pool_for_all_practices
from services.runtime.postgres.pool_metrics import PoolMetrics
from services.runtime.postgres.retention import Retention
from services.runtime.postgres.tenant_guard import tenant_pool
from services.runtime.process.clock import Clock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Halt
from services.runtime.process.settings import DatabaseSettings, read_secret


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """The notifier's own settings, grouped by what they are for."""

    web: WebSettings
    channels: ChannelSettings
    retry: RetrySettings
    worker: WorkerSettings
    instruments: InstrumentSettings


@dataclass(frozen=True, slots=True)
class NotifierComponents:
    """What runs: the pipeline in the consume loop, the worker beside it, and what the pages use."""

    pool: AsyncConnectionPool[Connection]
    """The deliveries', which see all practices' rows."""
    requests: AsyncConnectionPool[Connection]
    """The pages' and the API's, which see one practice's rows at a time."""
    pipeline: Pipeline
    worker: DeliveryWorker
    links: LinkSigner
    providers: Mapping[str, OpenIdProvider]
    pending_sign_ins: PendingSigner
    queue: DeliveryQueue
    feeds: FeedWatch
    pages: PageRenderer
    metrics: NotifierMetrics
    catalogue: Catalogue
    guidance: Guidance
    settings: NotifierSettings
    clock: Clock

    def page_context(self, transact: Transact) -> PageContext:
        """Return what the pages use; `transact` stores answers."""
        return PageContext(
            pool=self.requests,
            pages=self.pages,
            links=self.links,
            settings=self.settings.web,
            is_secure=self.settings.web.is_secure,
            catalogue=self.catalogue,
            guidance=self.guidance,
            clock=self.clock,
            transact=transact,
            providers=self.providers,
            pending_sign_ins=self.pending_sign_ins,
            defer_link_request=self.queue.defer_link_request,
            metrics=self.metrics,
        )


def _signing_secrets(web: WebSettings) -> SigningSecrets:
    former = web.former_signing_secret_file
    return SigningSecrets(
        read_secret(web.signing_secret_file).get_secret_value().encode(),
        None if former is None else read_secret(former).get_secret_value().encode(),
    )


def build_components(
    settings: NotifierSettings,
    database: DatabaseSettings,
    metrics: ConsumerMetrics,
    health: Health,
    clock: Clock,
    *,
    partitions: int = EPISODE_CHANGED.partitions,
    erasure_secret: bytes | None = None,
) -> NotifierComponents:
    """Build every component, for topics with this number of partitions; none is connected yet.

    Raises:
        Halt: a secret file, an instrument's definition, a practice's guidance or a provider cannot be used.
    """
    try:
        catalogue = settings.instruments.catalogue()
        guidance = Guidance.load(settings.web.guidance_dir)
    except (InvalidDefinition, InvalidGuidance) as bad:
        raise Halt(str(bad)) from None
    own_metrics = NotifierMetrics(metrics.registry, partitions=partitions)
    signing = _signing_secrets(settings.web)
    links = LinkSigner(signing, settings.web.public_url)
    providers = {
        practice: OpenIdProvider(one, f"{settings.web.public_url}{callback_path(practice)}", clock)
        for practice, one in read_providers(settings.web.openid_file).items()
    }
    wordings = Wordings.load()
    connections = pool_for_all_practices(
        database, "notifier-deliveries", connections=settings.worker.delivery_connections
    )
    requests = tenant_pool(database, "notifier-pages", "notifier", connections=settings.web.pages_connections)
    back_off = BackOff(settings.retry.retry_first_s, settings.retry.retry_cap_s)
    queue = DeliveryQueue(back_off)
    channels = build_channels(settings.channels, wordings)
    queue.register(
        DeliverySender(
            pool=connections,
            channels=channels,
            links=links,
            back_off=back_off,
            clock=clock,
            metrics=own_metrics,
            link_valid=timedelta(hours=settings.web.link_hours),
        )
    )
    queue.register_link_requests(
        LinkRequestAnswerer(
            connections, clock, queue.defer, timedelta(minutes=settings.web.asked_link_minutes)
        )
    )
    jobs = jobs_pool(
        database,
        max_size=settings.worker.worker_concurrency + 2 * len(QUEUES_OF_WORKERS),
    )
    PoolMetrics(metrics.registry, connections, requests, jobs)
    feeds = FeedWatch(connections, channels[Channel.EMAIL])
    return NotifierComponents(
        pool=connections,
        requests=requests,
        pipeline=Pipeline(
            queue.defer, own_metrics, metrics.stage_seconds, clock, Erasures("notifier", erasure_secret)
        ),
        worker=DeliveryWorker(
            queue=queue,
            jobs=jobs,
            pool=connections,
            settings=settings.worker,
            metrics=own_metrics,
            health=health,
            clock=clock,
            feeds=feeds,
            retention=Retention(
                "notifier",
                retention_rules(
                    audit_days=settings.worker.audit_days,
                    rejection_days=settings.worker.rejection_days,
                    sign_in_days=settings.worker.sign_in_days,
                ),
                metrics.registry,
            ),
            servers={name: one for name, one in channels.items() if isinstance(one, ServedChannel)},
        ),
        links=links,
        providers=providers,
        pending_sign_ins=PendingSigner(signing.oldest_first),
        queue=queue,
        feeds=feeds,
        pages=PageRenderer(settings.web, wordings),
        metrics=own_metrics,
        catalogue=catalogue,
        guidance=guidance,
        settings=settings,
        clock=clock,
    )
