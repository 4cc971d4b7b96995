"""Measures what a backlog costs: memory of the services, log of PostgreSQL, and disk of PostgreSQL and Kafka.

    python -m bench.catch_up [--ratings 1000000] [--practices 1000]

The topic is filled while no service runs; then one detector and one notifier read it from the beginning, with
Apache Kafka and a PostgreSQL that waits for the disk. Memory is the largest seen of each process, sampled
twice a second. The notifier reads assessments in slices, so it ends later; it is waited for, too.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg

from bench.fill_topic import fill
from services.cli.plugins import services_with_tables
from tests.support.backend import real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server
from tests.support.service_stack import running_stack

STUCK_S = 120.0
POLL_S = 0.5
BYTES = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = %s::regnamespace AND relkind IN ('r', 'm')
"""
WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint"
APPLIED = "SELECT coalesce(sum(next_offset), 0)::bigint FROM {}.applied WHERE topic = %s"
TOPICS = {"detector": "alliance.session-rated.v1", "notifier": "alliance.assessed.v1"}
Connection = psycopg.Connection[tuple[int]]


def number_of(conn: Connection, query: str, *values: str) -> int:
    """Return the one number of a query."""
    row = conn.execute(query.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def catch_up(conn: Connection, pids: Mapping[str, int], ratings: int) -> dict[str, object]:
    """Wait until both services have applied everything; return when, and the largest memory of each."""
    began, progress_at, before = time.monotonic(), time.monotonic(), -1
    processes = {name: psutil.Process(pid) for name, pid in pids.items()}
    largest = dict.fromkeys(pids, 0)
    ended: dict[str, float] = {}
    wal, wal_at_detector = number_of(conn, WAL), 0
    while len(ended) < len(TOPICS):
        time.sleep(POLL_S)
        for name, process in processes.items():
            largest[name] = max(largest[name], process.memory_info().rss)
        done = {name: number_of(conn, APPLIED.format(name), topic) for name, topic in TOPICS.items()}
        for name, count in done.items():
            if count >= ratings and name not in ended:
                ended[name] = time.monotonic() - began
                if name == "detector":
                    wal_at_detector = number_of(conn, WAL) - wal
        if sum(done.values()) > before:
            before, progress_at = sum(done.values()), time.monotonic()
        assert time.monotonic() - progress_at < STUCK_S, f"nothing goes on: {done}"
    return {
        "seconds": {name: round(seconds) for name, seconds in ended.items()},
        "memory_mb": {name: round(held / 1e6) for name, held in largest.items()},
        "wal_bytes_a_rating": round((number_of(conn, WAL) - wal) / ratings),
        "wal_bytes_a_rating_until_the_detector_was_through": round(wal_at_detector / ratings),
    }


def log_bytes(folder: Path) -> int:
    """Return the bytes of the segments below a folder of Kafka; indexes are files of a fixed size."""
    return sum(file.stat().st_size for file in folder.rglob("*.log"))


def main() -> None:
    """Fill, catch up once, and print what it cost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--practices", type=int, default=1_000)
    wanted = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        node = stack.enter_context(real_node())
        backend = stack.enter_context(real_backend(node))
        url = stack.enter_context(fresh_database(stack.enter_context(postgres_server(durable=True))))
        count = fill(backend.bootstrap, wanted.ratings, practices=wanted.practices)
        print(f"{count:,} ratings of {wanted.practices:,} practices are in the topic", file=sys.stderr)
        held = log_bytes(node.folder)
        conn = stack.enter_context(psycopg.connect(url, autocommit=True))
        services = ("notifier", "detector")
        running = stack.enter_context(running_stack(backend, url, folder / "home", start=services))
        pids = {name: running.supervisor.processes[name].pid or 0 for name in services}
        found = {"ratings": count, "practices": wanted.practices, **catch_up(conn, pids, count)}
        found["kafka_bytes_a_rating"] = round(held / count)
        found["kafka_bytes_a_rating_with_what_follows"] = round(log_bytes(node.folder) / count)
        found["postgres_bytes_a_rating"] = {
            schema: round(number_of(conn, BYTES, schema) / count) for schema in services_with_tables()
        }
        print(json.dumps(found))


if __name__ == "__main__":
    main()
