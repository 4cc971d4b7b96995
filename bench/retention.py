"""Measures how long the retention job deletes old rejected records, and how long a writer waits beside it.

    python -m bench.retention [--rows 2000000]

Half of the rejected records are over. The writer stores one batch of others after another, alone and then
beside the job.
"""

import argparse
import asyncio
import json
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import psycopg
from prometheus_client import CollectorRegistry

from services.runtime.postgres.connect import Connection
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.retention import Retention, rejection_rule
from services.runtime.process.settings import REJECTION_DAYS
from tests.support.postgres import fresh_database, postgres_server

ALONE_S = 20
BATCH = 20
_FILL = """
INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", key, value, reason, detail, tenant,
    recorded_at)
SELECT '4L6g3nShT-eMCtK--X86sw', 'alliance.session-rated.v1', n %% 24, n, repeat('k', 32)::bytea,
    repeat(md5(n::text), 18)::bytea, 'undecodable', 'a value is missing', 'practice-' || n %% 10,
    now() - interval '730 days' * (1 - n / %(rows)s::float)
FROM generate_series(%(first)s, %(last)s) AS n
"""
_WRITE = """
INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", key, value, reason, detail, tenant,
    recorded_at)
SELECT 'another', 'alliance.session-rated.v1', 0, n, '', repeat('v', 600)::bytea, 'undecodable', '', 'north',
    now() FROM generate_series(%s, %s) AS n ON CONFLICT DO NOTHING
"""
_AT_ONCE = 50_000


def report(**values: object) -> None:
    """Print one line of JSON."""
    print(json.dumps(values), flush=True)


class Writer:
    """Stores one batch after another in a thread of its own, a hundred a second at most."""

    def __init__(self, url: str) -> None:
        self.took_s: list[float] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            first = time.time_ns()
            while not self._stop.wait(0.01):
                began = time.perf_counter()
                conn.execute(_WRITE, (first, first + BATCH - 1))
                first += BATCH
                self.took_s.append(time.perf_counter() - began)

    def show(self, name: str) -> None:
        """Print how long its batches took."""
        report(
            writer=name,
            batches=len(self.took_s),
            median_ms=round(1e3 * statistics.median(self.took_s), 1),
            longest_ms=round(1e3 * max(self.took_s), 1),
        )


async def apply(url: str) -> tuple[list[float], int]:
    """Run the job once; return how long each of its transactions took, and how many rows it deleted."""
    registry, took = CollectorRegistry(), []

    async with await psycopg.AsyncConnection.connect(url) as conn:

        async def transact(work: Callable[[Connection], Awaitable[None]]) -> None:
            began = time.perf_counter()
            async with conn.transaction():
                await work(conn)
            took.append(time.perf_counter() - began)

        rules = (rejection_rule("detector", REJECTION_DAYS),)
        await Retention("detector", rules, registry).run_when_due(transact, datetime.now(UTC), lambda: False)
    name = "rapport_retention_deleted_rows_total"
    return took, int(registry.get_sample_value(name, {"table": "detector.rejection"}) or 0)


def main() -> None:
    """Fill the table, and run the job beside a writer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows = parser.parse_args().rows
    with postgres_server(durable=True) as server, fresh_database(server) as url:
        migrate(url, "detector")
        with psycopg.connect(url, autocommit=True) as conn:
            for first in range(0, rows, _AT_ONCE):
                values = {"first": first, "last": min(rows, first + _AT_ONCE) - 1, "rows": rows}
                conn.execute(_FILL, values)
            conn.execute("VACUUM ANALYZE detector.rejection")
        report(filled=rows)
        with Writer(url) as alone:
            time.sleep(ALONE_S)
        alone.show("alone")
        with Writer(url) as beside:
            began = time.perf_counter()
            took, deleted = asyncio.run(apply(url))
            seconds = time.perf_counter() - began
        beside.show("beside the job")
        report(
            deleted=deleted,
            seconds=round(seconds, 1),
            median_ms=round(1e3 * statistics.median(took), 1),
            longest_ms=round(1e3 * max(took), 1),
        )
        began = time.perf_counter()
        asyncio.run(apply(url))
        report(nothing_to_delete_s=round(time.perf_counter() - began, 2))


if __name__ == "__main__":
    main()
