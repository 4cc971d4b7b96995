"""Every benchmark in turn: `make bench`; each is a command of its own too."""

import subprocess
import sys

BENCHMARKS = (
    "bench.ingest",
    "bench.detector",
    "bench.assessment_cost",
    "bench.runtime",
    "bench.latency",
    "bench.startup",
    "bench.score_file",
)


def main() -> int:
    """Run them one after the other: two at a time would measure each other."""
    for name in BENCHMARKS:
        print(f"\n== {name}", flush=True)
        code = subprocess.run([sys.executable, "-m", name], check=False).returncode
        if code != 0:
            print(f"{name} ended with exit code {code}")
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
