"""Measures how fast ingest accepts ratings, single and in batches, beside a bare endpoint.

    python -m bench.ingest [--bootstrap HOST:PORT] [--runs 3] [--seconds 4]

Without `--bootstrap` it starts the embedded broker. The bare endpoint answers 202 to the same requests
without reading them: the cost of the framework alone on this machine in the same run.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from services.runtime.http.key_file import add_key
from tests.support.embedded_kafka import embedded_kafka

SINGLE_CONNECTIONS = 16
BATCH_CONNECTIONS = 4
START_S = 20.0


@dataclass(frozen=True, slots=True)
class IngestRun:
    """One run against one endpoint."""

    endpoint: str
    ratings: int
    not_accepted: int
    per_second: float
    cpu_s_per_1000: float
    per_core: float
    """Ratings per second of processor time of the process."""
    p50_ms: float
    p99_ms: float
    memory_mb: float


@contextmanager
def server(module: str, environment: dict[str, str]) -> Iterator[tuple[psutil.Process, str]]:
    """Run a service as a process; yield the process and its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", module], env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = ""
        for line in process.stdout:
            event = json.loads(line)
            url = event.get("url", url)
            if event["event"] in {"kafka-acknowledges", "bare"}:
                break
        try:
            yield psutil.Process(process.pid), url
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=START_S)


def measure(endpoint: str, process: psutil.Process, url: str, key: str, seconds: float) -> IngestRun:
    """Run the load generator once, in another process."""
    kind = "batch" if endpoint == "batch" else "single"
    connections = BATCH_CONNECTIONS if kind == "batch" else SINGLE_CONNECTIONS
    before = process.cpu_times()
    done = subprocess.run(
        [sys.executable, "-m", "bench.ingest_load_generator", kind, url, key, str(seconds), str(connections)],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds * 5 + 30,
    )
    after = process.cpu_times()
    result: dict[str, Any] = json.loads(done.stdout)
    cpu_s = after.user + after.system - before.user - before.system
    ratings = result["accepted"]
    return IngestRun(
        endpoint,
        ratings,
        result["other"],
        result["per_second"],
        round(1000 * cpu_s / ratings, 4),
        round(ratings / cpu_s, 1),
        result["p50_ms"],
        result["p99_ms"],
        round(process.memory_info().rss / 1e6, 1),
    )


def bench(bootstrap: str | None, runs: int, seconds: float) -> list[IngestRun]:
    """Run everything; the endpoints take turns, so that a slow moment of the machine affects all alike."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        key = add_key(folder / "keys.json", grants=["bench"], scopes=["ratings:write"]).secret
        (folder / "secret").write_text("0123456789abcdef" * 4)
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap or stack.enter_context(embedded_kafka()),
            "KAFKA_EMBEDDED": "false" if bootstrap else "true",
            "RAPPORT_CREDENTIALS_FILE": str(folder / "keys.json"),
            "RAPPORT_KEY_SECRET_FILE": str(folder / "secret"),
            "INGEST_RATINGS_PER_SECOND": "1000000",
            "HTTP_PORT": "0",
        }
        ingest, ingest_url = stack.enter_context(server("services.ingest", environment))
        bare, bare_url = stack.enter_context(server("bench.bare_endpoint", {}))
        endpoints = {
            "single": (ingest, f"{ingest_url}/v1/ratings"),
            "batch": (ingest, f"{ingest_url}/v1/ratings/batch"),
            "bare": (bare, f"{bare_url}/v1/ratings"),
        }
        for endpoint, (process, url) in endpoints.items():
            measure(endpoint, process, url, key, 1.0)  # warm up
        for _ in range(runs):
            for endpoint, (process, url) in endpoints.items():
                found.append(measure(endpoint, process, url, key, seconds))
                print(json.dumps(asdict(found[-1])), flush=True)
    return found


def main() -> None:
    """Print the raw runs and the medians."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bootstrap")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=4.0)
    given = arguments.parse_args()
    runs = bench(given.bootstrap, given.runs, given.seconds)
    medians = {
        endpoint: {
            name: statistics.median(getattr(run, name) for run in runs if run.endpoint == endpoint)
            for name in ("per_second", "per_core", "cpu_s_per_1000", "p50_ms", "p99_ms", "memory_mb")
        }
        for endpoint in ("single", "batch", "bare")
    }
    print(
        json.dumps(
            {
                "backend": given.bootstrap or "embedded",
                "median": medians,
                "single_cpu_over_bare": round(
                    medians["single"]["cpu_s_per_1000"] / medians["bare"]["cpu_s_per_1000"], 2
                ),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
