"""Measures how many ratings per second one detector processes, with Apache Kafka and PostgreSQL.

    python -m bench.detector [--ratings 48000] [--runs 3]

Each run has topics and a database of its own; the topic of ratings is filled before the process starts. (A
detector that finds assessments in Kafka which its database lacks takes the database for a restored one: it
stores ratings and publishes nothing about them.) Two baselines process the same records: without the model
(every form gets the same assessment) and without the database (histories in memory, nothing stored).
`per_core` is ratings per second of processor time of the process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import psycopg

from bench.fill_topic import fill
from services.runtime.postgres.migrations import migrate
from tests.support.backend import DurableNode, real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server

MODES = ("full path", "without the model", "without the database")
DEADLINE_S = 180.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class DetectorRun:
    """One run of one mode."""

    mode: str
    ratings: int
    seconds: float
    per_second: float
    per_core: float
    memory_mb: float


def start(mode: str, number: int, kafka: dict[str, str], url: str, folder: Path) -> subprocess.Popen[str]:
    """Start the process of a mode."""
    credentials = folder / "credentials.json"
    environment = (
        os.environ
        | kafka
        | {
            "DATABASE_URL": url,
            "DETECTOR_GROUP": f"bench-{MODES.index(mode)}-{number}",
            "RAPPORT_CREDENTIALS_FILE": str(credentials),
            "LOG_LEVEL": "WARNING",
        }
    )
    program = ["services.detector"] if mode == "full path" else ["bench.detector_baselines", mode]
    return subprocess.Popen(
        [sys.executable, "-m", *program], env=environment, stdout=subprocess.PIPE, text=True
    )


def taken(conn: psycopg.Connection[tuple[int]], number: int) -> int:
    """Return how many ratings are stored."""
    row = conn.execute("SELECT coalesce(sum(next_offset), 0)::bigint FROM detector.applied").fetchone()
    assert row is not None
    assert row[0] <= number
    return row[0]


def check_assessed(url: str, ratings: int) -> None:
    """Raise RuntimeError unless every rating was assessed, so that nothing else is measured."""
    with psycopg.connect(url) as conn:
        row = conn.execute("SELECT count(*) FROM detector.assessment").fetchone()
    assert row is not None
    if row[0] != ratings:
        raise RuntimeError(f"{row[0]} of {ratings} ratings were assessed")


def watch_database(process: psutil.Process, url: str, ratings: int) -> tuple[float, float]:
    """Return wall and processor seconds from the first stored batch until all ratings are stored."""
    ends = time.monotonic() + DEADLINE_S
    with psycopg.connect(url, autocommit=True) as conn:
        first = 0
        while not (first := taken(conn, ratings)):
            assert time.monotonic() < ends, "nothing is processed"
            time.sleep(POLL_S)
        began, cpu = time.perf_counter(), sum(process.cpu_times()[:2])
        while taken(conn, ratings) < ratings:
            assert time.monotonic() < ends, "not all ratings are processed"
            time.sleep(POLL_S)
    share = (ratings - first) / ratings  # the time excludes what was stored before the first poll
    return (time.perf_counter() - began) / share, (sum(process.cpu_times()[:2]) - cpu) / share


def watch_report(child: subprocess.Popen[str]) -> tuple[float, float]:
    """Return wall and processor seconds from the report of the process without a database."""
    assert child.stdout is not None
    for line in child.stdout:
        found = json.loads(line)
        if found.get("event") == "done":
            return found["seconds"], found["cpu_seconds"]
    raise AssertionError("the process ended without a report")


def measure(
    mode: str, number: int, *, node: DurableNode, server: str, wanted: int, folder: Path
) -> DetectorRun:
    """Process all ratings once in one mode, in a fresh database."""
    with real_backend(node) as backend, fresh_database(server) as url:
        ratings = fill(backend.bootstrap, wanted)
        migrate(url, "detector")
        run = measure_in(url, mode, number, kafka=dict(backend.kafka_env), ratings=ratings, folder=folder)
        if mode != "without the database":
            check_assessed(url, ratings)
        return run


def measure_in(
    url: str, mode: str, number: int, *, kafka: dict[str, str], ratings: int, folder: Path
) -> DetectorRun:
    """Process all ratings of the topic once in one mode, in this database."""
    child = start(mode, number, kafka, url, folder)
    process = psutil.Process(child.pid)
    try:
        if mode == "without the database":
            seconds, cpu = watch_report(child)
        else:
            seconds, cpu = watch_database(process, url, ratings)
        memory = process.memory_info().rss / 1e6
    finally:
        child.terminate()
        child.communicate(timeout=30)
    return DetectorRun(
        mode, ratings, round(seconds, 2), round(ratings / seconds), round(ratings / cpu), round(memory)
    )


def main() -> None:
    """Run the modes in turn several times, and print raw runs, medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=48_000)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    runs: list[DetectorRun] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        node = stack.enter_context(real_node())
        server = stack.enter_context(postgres_server(durable=True))
        for number in range(wanted.runs):
            for mode in MODES:
                run = measure(mode, number, node=node, server=server, wanted=wanted.ratings, folder=folder)
                runs.append(run)
                print(json.dumps(asdict(run)), flush=True)
    full = statistics.median(run.per_second for run in runs if run.mode == MODES[0])
    for mode in MODES:
        of_mode = [run for run in runs if run.mode == mode]
        median = statistics.median(run.per_second for run in of_mode)
        core = statistics.median(run.per_core for run in of_mode)
        memory = max(run.memory_mb for run in of_mode)
        print(f"{mode}: median {median:.0f}/s, {core:.0f} per core, {median / full:.2f} x, {memory} MB")


if __name__ == "__main__":
    main()
