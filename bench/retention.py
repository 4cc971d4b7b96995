"""Measures how long the retention job deletes old rows, and how long a writer waits beside it.

    python -m bench.retention [--rows 2000000] [--tables detector.rejection notifier.delivery]

Half of the rows are over: of rejected records by their age, of deliveries those of links that were asked for.
The writer stores one batch of others after another, alone and then beside the job.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry

from bench.report import report, report_batches
from services.notifier.inbox import kept_rows as notifier_rows
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.retention import Retention, RetentionRule, rejection_rule
from services.runtime.process.settings import AUDIT_DAYS, REJECTION_DAYS
from tests.support.background_writer import BackgroundWriter
from tests.support.postgres import fresh_database, postgres_server

ALONE_S = 20
BATCH = 20
_REJECTIONS = """
INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", key, value, reason, detail, tenant,
    recorded_at)
SELECT '4L6g3nShT-eMCtK--X86sw', 'alliance.session-rated.v1', n %% 24, n, repeat('k', 32)::bytea,
    repeat(md5(n::text), 18)::bytea, 'undecodable', 'a value is missing', 'practice-' || n %% 10,
    now() - interval '730 days' * (1 - n / %(rows)s::float)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_NEW_REJECTIONS = """
INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", key, value, reason, detail, tenant,
    recorded_at)
SELECT 'another', 'alliance.session-rated.v1', 0, n, '', repeat('v', 600)::bytea, 'undecodable', '', 'north',
    now() FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n ON CONFLICT DO NOTHING
"""
_DELIVERIES = """
INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, channel, state, created_at,
    due_at, give_up_at, finished_at)
SELECT gen_random_uuid(), CASE WHEN n %% 2 = 0 THEN 'sign-in' ELSE 'episode' END, 'practice-' || n %% 10,
    't' || n %% 1000, 'email', 'sent', now(), now(), now(), now() - interval '180 days'
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n WHERE %(rows)s > 0
"""
_NEW_DELIVERIES = """
INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, channel, state, created_at,
    due_at, give_up_at)
SELECT gen_random_uuid(), 'episode', 'north', 't', 'email', 'pending', now(), now(), now()
FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A table whose rows are deleted when their time is over."""

    fill: str
    write: str
    rule: RetentionRule

    @property
    def schema(self) -> str:
        """The service that it is of."""
        return self.rule.table.partition(".")[0]


OF_NOTIFIER = notifier_rows.retention_rules(
    audit_days=AUDIT_DAYS, rejection_days=REJECTION_DAYS, sign_in_days=90
)
TABLES = {
    one.rule.table: one
    for one in (
        Kept(_REJECTIONS, _NEW_REJECTIONS, rejection_rule("detector", REJECTION_DAYS)),
        Kept(
            _DELIVERIES,
            _NEW_DELIVERIES,
            next(one for one in OF_NOTIFIER if one.table == "notifier.delivery"),
        ),
    )
}


@dataclass
class Writer(BackgroundWriter):
    """Stores one batch after another, a hundred a second at most."""

    statement: str

    def __post_init__(self) -> None:
        self.pause_s = 0.01
        self._first = time.time_ns()

    def write(self, conn: psycopg.Connection[Any]) -> None:
        """Store the next batch."""
        numbers = {"first": self._first, "last": self._first + BATCH - 1}
        self._first += BATCH
        self.run(conn, [self.statement], numbers)

    def show(self, name: str) -> None:
        """Print how long its batches took; raise what ended it before its time."""
        if self.error is not None:
            raise self.error
        report_batches(self.took_s, writer=name)


async def apply(url: str, kept: Kept) -> tuple[list[float], int]:
    """Run the job once; return how long each of its transactions took, and how many rows it deleted."""
    registry, took = CollectorRegistry(), []

    async with await psycopg.AsyncConnection.connect(url) as conn:

        async def transact(work: Callable[[Connection], Awaitable[None]]) -> None:
            began = time.perf_counter()
            async with conn.transaction():
                await work(conn)
            took.append(time.perf_counter() - began)

        await Retention(kept.schema, (kept.rule,), registry).run_when_due(
            transact, datetime.now(UTC), lambda: False
        )
    name = "rapport_retention_deleted_rows_total"
    return took, int(registry.get_sample_value(name, {"table": kept.rule.table}) or 0)


def show(server: str, kept: Kept, rows: int) -> None:
    """Fill the table, and run the job beside a writer."""
    with fresh_database(server) as url:
        migrate(url, kept.schema)
        with psycopg.connect(url, autocommit=True) as conn:
            for first in range(0, rows, _AT_ONCE):
                values = {"first": first, "last": min(rows, first + _AT_ONCE) - 1, "rows": rows}
                conn.execute(kept.fill.encode(), values)
            conn.execute(f"VACUUM ANALYZE {kept.rule.table}".encode())
        report(table=kept.rule.table, rows=rows)
        with Writer(url, kept.write) as alone:
            time.sleep(ALONE_S)
        alone.show("alone")
        with Writer(url, kept.write) as beside:
            began = time.perf_counter()
            took, deleted = asyncio.run(apply(url, kept))
            seconds = time.perf_counter() - began
        beside.show("beside the job")
        report_batches(took, deleted=deleted, seconds=round(seconds, 1))
        began = time.perf_counter()
        asyncio.run(apply(url, kept))
        report(nothing_to_delete_s=round(time.perf_counter() - began, 2))


def main() -> None:
    """Measure each table in a database of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    wanted = parser.parse_args()
    with postgres_server(durable=True) as server:
        for table in wanted.tables:
            show(server, TABLES[table], wanted.rows)


if __name__ == "__main__":
    main()
