"""Measures what a database of many ratings costs, beside an empty one: bytes, throughput, reads, jobs.

    python -m bench.growth [--ratings 200000] [--dyads 10000] [--runs 3] [--live 24000] [--parts …]

Both databases are of one PostgreSQL, and the detector processes the same records in each of them in turn. The
full one is filled with copies of the rows that the detector's own stages wrote (`bench.growth_rows`). Its
bytes are those of densely packed indexes; the smaller database that the live ratings grew is printed, too.
"""

import argparse
import asyncio
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg

from bench.detector import measure_in
from bench.fill_topic import LAST, PRACTICES, SESSIONS, ratings_of, send_all
from bench.growth_reads import report, show_reads
from bench.growth_rows import fill, sizes
from schemas.instruments.settings import InstrumentSettings
from services.detector.app import load_tools
from services.detector.jobs.renew_statistics import add_statistics
from services.detector.jobs.renew_thresholds import add_threshold
from services.detector.settings import DetectorSettings
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres import arrays
from services.runtime.postgres.migrations import migrate
from services.runtime.process.clock import SystemClock
from tests.support.backend import real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server

SERVICES = ("detector", "notifier")
PARTS = ("sizes", "reads", "job", "takeover", "throughput")
DEAD_ROWS = 600_000


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
            arrays.register(conn.adapters)
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


def show_throughput(full: str, empty: str, calm: Sequence[int], *, runs: int, live: int) -> None:
    """Print how fast the detector processes the same records in both databases, in turn."""
    pace: dict[str, list[float]] = {"full": [], "empty": []}
    rng = random.Random(2)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        node = stack.enter_context(real_node())
        clients = rng.sample(calm, runs * (live // SESSIONS))
        for run in range(runs):
            made = ratings_of(clients[run::runs], range(SESSIONS))
            order = [("full", full), ("empty", empty)]
            for number, (name, url) in enumerate(order if run % 2 else reversed(order)):
                # Topics of its own, as the detector takes a database for a restored one that lacks what
                # the topics hold.
                with real_backend(node, f"run-{run}-{name}") as backend:
                    count = send_all(backend.bootstrap, made)
                    forget_positions(url)
                    before = assessed(url)
                    found = measure_in(
                        url,
                        "full path",
                        2 * run + number,
                        kafka=dict(backend.kafka_env),
                        ratings=count,
                        folder=folder,
                    )
                    if assessed(url) - before != count:
                        raise RuntimeError(f"{assessed(url) - before} of {count} ratings were assessed")
                pace[name].append(found.per_second)
                report(database=name, ratings=count, per_second=found.per_second, memory_mb=found.memory_mb)
    ratio = statistics.median(f / e for f, e in zip(pace["full"], pace["empty"], strict=True))
    report(throughput_ratio=round(ratio, 2))


def assessed(url: str) -> int:
    """Return how many sessions of the live clients are assessed: the last ones, by session."""
    with psycopg.connect(url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM detector.assessment WHERE practice_id = ANY(%s) AND session_at >= %s",
            ([f"practice-{number}" for number in range(PRACTICES)], LAST - timedelta(weeks=SESSIONS)),
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def forget_positions(url: str) -> None:
    """Let the next run read its topics, which were made again, from their beginnings."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "DELETE FROM detector.applied; DELETE FROM detector.published; DELETE FROM detector.halt"
        )


def main() -> None:
    """Fill one database, and measure it beside an empty one."""
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
    wanted = parser.parse_args()
    began = time.perf_counter()

    def progress(what: str) -> None:
        report(after_s=round(time.perf_counter() - began), progress=what)

    with (
        postgres_server(durable=True) as server,
        fresh_database(server) as full,
        fresh_database(server) as empty,
    ):
        for url in (full, empty):
            for service in SERVICES:
                migrate(url, service)
        calm = fill(full, wanted.dyads, wanted.ratings // wanted.dyads, progress)
        stored = wanted.ratings // wanted.dyads * wanted.dyads
        if "sizes" in wanted.parts:
            show_sizes(full, stored)
        if "reads" in wanted.parts:
            show_reads(full, stored)
        if "job" in wanted.parts:
            show_weekly_jobs(full)
        if "takeover" in wanted.parts:
            show_takeover(full)
        if "throughput" in wanted.parts:
            show_throughput(full, empty, calm, runs=wanted.runs, live=wanted.live)
            report(grown="the empty database after all runs")
            show_sizes(empty, wanted.runs * (wanted.live // SESSIONS) * SESSIONS, 6)
        progress("done")


if __name__ == "__main__":
    main()
