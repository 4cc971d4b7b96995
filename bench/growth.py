"""Measures what a database of many ratings costs, beside an empty one: bytes, throughput, reads, jobs.

    python -m bench.growth [--ratings 200000] [--dyads 10000] [--runs 3] [--live 24000] [--parts …]
        [--keep FOLDER] [--set NAME=VALUE …]

The databases are of one PostgreSQL, and the detector processes the same records in two of them in turn:
ratings of new clients in the full and in an empty one, and those of clients with a history in the full one
and in one that holds few others. The full one is filled with copies of the rows that the detector's own
stages wrote (`bench.growth_rows`). Its bytes are those of densely packed indexes; the database that the live
ratings grew is printed, too.
"""

import argparse
import asyncio
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bench.fill_topic import PRACTICES, SESSIONS
from bench.growth_reads import show_reads
from bench.growth_rows import TEMPLATE_DYADS, all_done_today, calm_clients, fill, next_client, sizes
from bench.growth_throughput import Compared, show_throughput
from bench.report import report
from schemas.instruments.settings import InstrumentSettings
from services.detector.app import load_tools
from services.detector.jobs.renew_statistics import add_statistics
from services.detector.jobs.renew_thresholds import add_threshold
from services.detector.settings import DetectorSettings
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.migrations import migrate
from services.runtime.process.clock import SystemClock
from tests.support.postgres import fresh_database, postgres_server

SERVICES = ("detector", "notifier")
PARTS = ("sizes", "reads", "job", "takeover", "throughput")
DEAD_ROWS = 600_000
_KEPT = "growth"


def show_sizes(url: str, stored: int, largest: int = 24) -> None:
    """Print bytes a rating: of each service, of everything, and of the largest tables and indexes."""
    rows = sizes(url)
    for schema in SERVICES:
        of_schema = sum(int(str(size)) for one, _, _, size in rows if one == schema)
        report(schema=schema, bytes_a_rating=round(of_schema / stored, 1))
    for _, name, table, size in rows[:largest]:
        report(of=table, relation=name, bytes_a_rating=round(int(str(size)) / stored, 1))


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def _run_weekly_jobs(url: str) -> tuple[float, float]:
    tools = load_tools(DetectorSettings(), InstrumentSettings())

    async def run(practices: Sequence[str]) -> None:
        async with await psycopg.AsyncConnection.connect(url) as conn:
            for practice in practices:
                tx = Transaction(conn, SystemClock().now(), "")
                async with conn.transaction():
                    await add_threshold(tx, tools.models, practice=practice)
                async with conn.transaction():
                    await add_statistics(tx, tools.catalogue, practice=practice)

    asyncio.run(run(["practice-none"]))
    before, began = _peak_mb(), time.perf_counter()
    asyncio.run(run([f"practice-{number}" for number in range(PRACTICES)]))
    return _peak_mb() - before, time.perf_counter() - began


def show_weekly_jobs(url: str) -> None:
    """Print how much memory the weekly jobs of all practices need in a process of their own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
        memory_mb, seconds = alone.submit(_run_weekly_jobs, url).result()
    report(
        job="thresholds and statistics of 10 practices",
        more_memory_mb=round(memory_mb, 1),
        seconds=round(seconds, 2),
    )


def show_takeover(url: str) -> None:
    """Print how long a new owner reads the outbox, while dead rows cannot be removed from it."""
    with psycopg.connect(url) as snapshot, psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO detector.outbox (batch, seq, topic, partition, key, value, headers)"
            " SELECT nextval('detector.outbox_batch') / 1000, n, 'alliance.assessed.v1', n %% 24,"
            " repeat('k', 32)::bytea, repeat('v', 600)::bytea, '' FROM generate_series(1, %s) AS n",
            (DEAD_ROWS,),
        )
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        snapshot.execute("SELECT count(*) FROM detector.outbox")
        conn.execute("DELETE FROM detector.outbox")

        async def read() -> list[float]:
            outbox, took = Outbox("detector"), []
            async with await psycopg.AsyncConnection.connect(url) as owner:
                for _ in range(2):  # the second time, past what was drawn before the first
                    async with owner.transaction():
                        await outbox.floor.raise_(owner)
                for _ in range(5):
                    began = time.perf_counter()
                    async with owner.transaction():
                        rows = await outbox.read_partitions(owner, list(range(24)))
                    took.append(time.perf_counter() - began)
                    assert not rows
            return took

        took = asyncio.run(read())
    report(takeover_reads_s=[round(one, 2) for one in took], dead_rows=DEAD_ROWS)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM detector.outbox")


@contextmanager
def _full_database(server: str, *, kept: bool) -> Iterator[tuple[str, bool]]:
    """Yield the URL of the database to fill, and whether an earlier run has filled it."""
    if not kept:
        with fresh_database(server) as url:
            yield url, False
        return
    url = urlunsplit(urlsplit(server)._replace(path=f"/{_KEPT}"))
    with psycopg.connect(server, autocommit=True) as admin:
        made = admin.execute("SELECT FROM pg_database WHERE datname = %s", (_KEPT,)).rowcount
        if not made:
            admin.execute(f"CREATE DATABASE {_KEPT}")
    yield url, bool(made)


def main() -> None:
    """Fill one database, and measure it beside smaller ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=200_000)
    parser.add_argument("--dyads", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--live", type=int, default=24_000, help="ratings that the detector processes in a run"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep the full database there; a later run with this folder and the same numbers fills nothing",
    )
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of PostgreSQL for this server"
    )
    wanted = parser.parse_args()
    began = time.perf_counter()

    def progress(what: str) -> None:
        report(after_s=round(time.perf_counter() - began), progress=what)

    sessions = wanted.ratings // wanted.dyads
    per_run = wanted.live // SESSIONS
    settings = dict(one.split("=", 1) for one in wanted.set)
    with (
        postgres_server(durable=True, folder=wanted.keep, settings=settings) as server,
        _full_database(server, kept=wanted.keep is not None) as (full, filled),
        fresh_database(server) as empty,
        fresh_database(server) as small,
    ):
        for url in (full, empty, small):
            for service in SERVICES:
                migrate(url, service)
        if not filled:
            fill(full, wanted.dyads, sessions, progress)
        all_done_today(full)
        stored = sessions * wanted.dyads
        if "sizes" in wanted.parts:
            show_sizes(full, stored)
        if "reads" in wanted.parts:
            show_reads(full, stored)
        if "job" in wanted.parts:
            show_weekly_jobs(full)
        if "takeover" in wanted.parts:
            show_takeover(full)
        if "throughput" in wanted.parts:
            pairs = _pairs(full, empty, small, wanted, progress)
            show_throughput(pairs, runs=wanted.runs)
            report(grown="the empty database after all runs")
            show_sizes(empty, wanted.runs * per_run * SESSIONS, 6)
        progress("done")


def _pairs(
    full: str, empty: str, small: str, wanted: argparse.Namespace, progress: Callable[[str], None]
) -> list[Compared]:
    """Return whose ratings are processed where; fills the small database with those who are known there."""
    sessions, live = wanted.ratings // wanted.dyads, wanted.runs * (wanted.live // SESSIONS)
    # Runs before this one gave some clients of a kept database further sessions.
    known = calm_clients(full, sessions)[:live]
    if len(known) < live:
        raise SystemExit("too few clients are left for these runs: give fewer --live, or another folder")
    few = min(wanted.dyads, max(2 * live, known[-1] + TEMPLATE_DYADS))
    fill(small, few, sessions, progress)
    new = next_client(full)
    return [Compared("known", known, full, small), Compared("new", range(new, new + live), full, empty)]


if __name__ == "__main__":
    main()
