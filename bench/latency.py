"""Measures how long it takes from an accepted rating to the therapist's inbox item.

    python -m bench.latency [--rate 200] [--seconds 30] [--runs 3]

Everything runs on this machine: Apache Kafka, PostgreSQL whose commits wait for the disk, and the three
services as processes. Ratings of a simulated practice network are sent at a steady rate as batches; the
times are those that the notifier reports. It prints percentiles of each run, medians, and the memory of each
service at the end.
"""

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import psutil

from services.cli.demo.input_ratings import InputRating, NetworkSize, simulate_ratings
from tests.support.backend import Backend, real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server
from tests.support.service_stack import ServiceStack, running_stack


def percentile(values: list[float], share: float) -> float:
    """Return the percentile of this share by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def waits_ms(stack: ServiceStack) -> list[float]:
    """Return the milliseconds from acceptance to decision of every inbox item."""
    found = stack.settled().decisions
    return [
        1000
        * (
            datetime.fromisoformat(str(one["decided_at"])) - datetime.fromisoformat(str(one["accepted_at"]))
        ).total_seconds()
        for one in found
        if one["channel"] == "inbox" and one["outcome"] == "told"
    ]


def measure(
    backend: Backend, server: str, sent: list[InputRating], *, rate: float, folder: Path
) -> dict[str, object]:
    """Run once; return the number of inbox items, the latency and the memory of each service."""
    with fresh_database(server) as url, running_stack(backend, url, folder) as stack:
        for therapist in sorted({one.body["therapist_id"] for one in sent}):
            stack.client.put_therapist("north", therapist, {"address": f"{therapist}@north.example"})
        stack.send("north", [one.body for one in sent], rate=rate)
        waits = waits_ms(stack)
        memory = {
            name: round(psutil.Process(process.pid).memory_info().rss / 1e6)
            for name, process in stack.supervisor.processes.items()
        }
    return {
        "ratings": len(sent),
        "rate": rate,
        "items": len(waits),
        "p50_ms": round(percentile(waits, 0.50)),
        "p95_ms": round(percentile(waits, 0.95)),
        "p99_ms": round(percentile(waits, 0.99)),
        "memory_mb": memory,
    }


def main() -> None:
    """Run several times, and print raw runs and medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--runs", type=int, default=3)
    wanted = parser.parse_args()
    clients = round(wanted.rate * wanted.seconds / 12)
    runs = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        node = stack.enter_context(real_node())
        server = stack.enter_context(postgres_server(durable=True))
        size = NetworkSize(clients=clients, sessions=12, practices=1, therapists=max(1, clients // 8))
        sent, _ = simulate_ratings(size, 3, folder)
        for number in range(wanted.runs):
            with real_backend(node) as backend:
                run = measure(backend, server, sent, rate=wanted.rate, folder=folder / str(number))
            runs.append(run)
            print(json.dumps(run), flush=True)
    for name in ("p50_ms", "p95_ms", "p99_ms"):
        print(f"{name}: median {statistics.median(float(str(run[name])) for run in runs):.0f}")


if __name__ == "__main__":
    main()
