"""Runs every benchmark in turn (`make bench`); each can also be run alone."""

import subprocess
import sys

BENCHMARKS = (
    "bench.ingest",
    "bench.detector",
    "bench.assessment_cost",
    "bench.runtime",
    "bench.latency",
    "bench.fairness",
    "bench.startup",
    "bench.score_file",
    "bench.isolation",
    "bench.late_sessions",
    "bench.outbox_under_snapshot",
    "bench.pool_sizes",
    "bench.growth",
    "bench.growth_migration",
)


def main() -> int:
    """Run the benchmarks one after another, because they would disturb one another."""
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        code = subprocess.run([sys.executable, "-m", name], check=False).returncode
        if code != 0:
            print(f"{name} ended with exit code {code}")
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
