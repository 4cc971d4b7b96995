"""Exports how many connections of a pool there are, and how long callers waited for one."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class MeasuredPool(Protocol):
    """What is read of a pool of psycopg."""

    name: str

    def get_stats(self) -> dict[str, int]:
        """Return its figures; those that were never needed are missing."""


class PoolMetrics:
    """Reads a service's pools whenever its metrics are read."""

    def __init__(self, registry: CollectorRegistry, *pools: MeasuredPool) -> None:
        self._pools = pools
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Return the current figures of every pool."""
        connections = GaugeMetricFamily(
            "rapport_database_pool_connections",
            "Connections of a pool: used by somebody, or free.",
            labels=("pool", "state"),
        )
        waiting = GaugeMetricFamily(
            "rapport_database_pool_waiting",
            "Callers that wait for a connection of a pool now.",
            labels=("pool",),
        )
        waited = CounterMetricFamily(
            "rapport_database_pool_wait_seconds",
            "Seconds that callers have waited for a connection of a pool.",
            labels=("pool",),
        )
        ended = CounterMetricFamily(
            "rapport_database_pool_statements_ended",
            "Statements that PostgreSQL ended because they took too long; their requests got 503.",
            labels=("pool",),
        )
        for pool in self._pools:
            stats = pool.get_stats()
            free = stats.get("pool_available", 0)
            connections.add_metric((pool.name, "free"), free)
            connections.add_metric((pool.name, "used"), stats.get("pool_size", 0) - free)
            waiting.add_metric((pool.name,), stats.get("requests_waiting", 0))
            waited.add_metric((pool.name,), stats.get("requests_wait_ms", 0) / 1000)
            ended.add_metric((pool.name,), getattr(pool, "statements_ended", 0))
        yield from (connections, waiting, waited, ended)
