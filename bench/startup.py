"""Measures how long each service takes from its start until it is ready.

    python -m bench.startup [--runs 5]

Apache Kafka, PostgreSQL and the other services run; each service is stopped and started in turn. It prints
every run and medians.
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.support.backend import real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server
from tests.support.service_stack import ServiceStack, running_stack

SERVICES = ("ingest", "detector", "notifier")


def measure(stack: ServiceStack, name: str) -> dict[str, object]:
    """Restart one service; return seconds until ready, processor seconds and memory."""
    stack.stop(name)
    begun = time.perf_counter()
    stack.start(name)
    seconds = time.perf_counter() - begun
    process = psutil.Process(stack.supervisor.processes[name].pid)
    used = process.cpu_times()
    return {
        "service": name,
        "ready_s": round(seconds, 2),
        "processor_s": round(used.user + used.system, 2),
        "memory_mb": round(process.memory_info().rss / 1e6),
    }


def main() -> None:
    """Restart each service several times, and print raw runs and medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    runs = []
    with ExitStack() as last:
        folder = Path(last.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        backend = last.enter_context(real_backend(last.enter_context(real_node())))
        server = last.enter_context(postgres_server(durable=True))
        url = last.enter_context(fresh_database(server))
        stack = last.enter_context(running_stack(backend, url, folder))
        for _ in range(wanted.runs):
            for name in SERVICES:
                run = measure(stack, name)
                runs.append(run)
                print(json.dumps(run), flush=True)
    for name in SERVICES:
        of_service = [float(str(run["ready_s"])) for run in runs if run["service"] == name]
        print(f"{name}: median {statistics.median(of_service):.2f} s from start to ready")


if __name__ == "__main__":
    main()
