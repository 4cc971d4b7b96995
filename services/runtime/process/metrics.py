"""Defines the metrics that every service has; each label value is exported as 0 from the start.

Times are exported as timestamps, never as ages, and are NaN while there is none; no label names a tenant or
a subject.
"""

import os
import sys
from collections.abc import Iterable
from enum import StrEnum
from importlib import metadata
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector


class ConnectionEnd(StrEnum):
    """Why a service ended a connection of its HTTP port by itself."""

    MALFORMED = "malformed"
    """What was sent is not HTTP."""
    HEAD_TOO_LARGE = "head-too-large"
    """The head of a request has too many bytes or headers."""
    HEAD_TOO_SLOW = "head-too-slow"
    """The head of a request was not complete in time."""
    BODY_WITHOUT_CONTENT = "body-without-content"
    """The framing of a body went on and on without bringing any of it."""
    TOO_MANY_REQUESTS = "too-many-requests"
    """Too many requests were sent before the first was answered."""
    TOO_MANY_CONNECTIONS = "too-many-connections"
    """It had waited longest for a request when there was no room for another connection."""
    RESPONSE_NOT_READ = "response-not-read"
    """The caller did not read the response."""


class Door(StrEnum):
    """Where a request came in."""

    API = "api"
    """The public port, below /v1."""
    PAGES = "pages"
    """The public port, everything else: the pages of therapists, and paths that do not exist."""
    HEALTH = "health"
    """The public port: /livez, /readyz and /healthz."""
    MANAGEMENT = "management"
    """The management port."""


class ResponseClass(StrEnum):
    """The class of a response's status."""

    INFORMATIONAL = "1xx"
    SUCCESS = "2xx"
    REDIRECTION = "3xx"
    CLIENT_ERROR = "4xx"
    SERVER_ERROR = "5xx"
    NONE = "none"
    """No response began: the caller left before."""


REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)
LAG_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)


class Metrics:
    """The runtime's metrics of one service; the service registers its own in `registry`."""

    def __init__(self, service: str, *, topics: Iterable[str] = ()) -> None:
        # Otherwise each counter and histogram would have a second series, with the time of its creation.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.service = service
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        build = Info(
            "rapport_build", "Service, version, revision and Python that run.", registry=self.registry
        )
        build.info(
            {
                "service": service,
                "version": version(),
                "revision": os.environ.get("RAPPORT_REVISION") or "unknown",
                "python": sys.version.split()[0],
            }
        )
        self.ready = self._gauge("rapport_ready", "1 while requests can be answered.")
        self.healthy = self._gauge("rapport_healthy", "1 while every check is good.")
        self.check_good = self._gauge("rapport_check_good", "1 while the named check is good.", "check")

        self.credentials_last_read = self._timestamp(
            "rapport_credentials_last_read_timestamp_seconds",
            "When the file with the keys was last found readable and as it was read; NaN: never.",
        )
        self.requests = self._counter(
            "rapport_http_requests",
            "Requests by door and by the class of the response's status; none: no response began.",
            "door",
            "class",
        )
        self.request_seconds = Histogram(
            "rapport_http_request_seconds",
            "From the head of a request to the end of its response, by door.",
            ("door",),
            buckets=REQUEST_S,
            registry=self.registry,
        )
        self.event_loop_lag = Histogram(
            "rapport_event_loop_lag_seconds",
            "How much later than asked the event loop resumes a task, measured twice a second.",
            buckets=LAG_S,
            registry=self.registry,
        )
        self.connection_ends = self._counter(
            "rapport_http_connection_ends",
            "Connections that were ended because of a limit, by reason.",
            "reason",
        )
        self.records_published = self._counter(
            "rapport_records_published", "Records acknowledged by Kafka.", "topic"
        )
        self.acknowledged = self._gauge(
            "rapport_acknowledged_offset",
            "The offset after the newest record that Kafka acknowledged to this process.",
            "topic",
            "partition",
        )

        for door in Door:
            self.request_seconds.labels(door)
            for response_class in ResponseClass:
                self.requests.labels(door, response_class)
        for end in ConnectionEnd:
            self.connection_ends.labels(reason=end)
        self.add_topics(topics)

    def add_topics(self, topics: Iterable[str]) -> None:
        """Export 0 for every series of these topics."""
        for topic in topics:
            self.records_published.labels(topic=topic)

    def exposition(self) -> tuple[bytes, str]:
        """Return the page that Prometheus reads, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(name, description, labels, registry=self.registry)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(name, description, labels, registry=self.registry)

    def _timestamp(self, name: str, description: str) -> Gauge:
        return timestamp(name, description, self.registry)


def timestamp(name: str, description: str, registry: CollectorRegistry) -> Gauge:
    """Return a gauge of seconds since 1970 that is NaN until it is set: 0 would be a time long ago."""
    gauge = Gauge(name, description, registry=registry)
    gauge.set(nan)
    return gauge


def version() -> str:
    """Return the version of this program."""
    try:
        return metadata.version("rapport")
    except metadata.PackageNotFoundError:  # run from a folder without an installation
        return "unknown"
