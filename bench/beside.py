"""Measures throughput and latency of this checkout beside those of another one, in turns.

    python -m bench.beside OTHER [--rounds 5] [--ratings 48000] [--rate 200] [--seconds 30]

OTHER is the folder of another checkout, such as one made with `git worktree add`. Each round runs
`bench.detector`, `bench.ingest` and `bench.latency` of both checkouts once, each in its own folder with this
Python; every other round begins with the other checkout. The machine is a tenth faster or slower from one
hour to the next, so a figure means little by itself. At the end come the ratios of this checkout to the
other: for each figure the median and the range over the rounds. Above 1 this checkout is better; that holds
for times, too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
Figures = dict[str, float]
"""Each figure by its name; a name that ends in `_ms` is a time, all others are rates."""


def run(checkout: Path, benchmark: str, *options: object) -> list[dict[str, Any]]:
    """Run a benchmark of a checkout; return the runs that it prints, one JSON object a line each."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, "-m", benchmark, *map(str, options)]
    done = subprocess.run(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    lines = done.stdout.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def figures(checkout: Path, wanted: argparse.Namespace) -> Figures:
    """Measure one checkout once."""
    found: Figures = {}
    for one in run(checkout, "bench.detector", "--ratings", wanted.ratings, "--runs", 1):
        if one["mode"] == "full path":
            found |= {"detector_per_s": one["per_second"], "detector_per_core": one["per_core"]}
    for one in run(checkout, "bench.ingest", "--runs", 1):
        if one["endpoint"] != "bare":
            found[f"ingest_{one['endpoint']}_per_core"] = one["per_core"]
    (one,) = run(checkout, "bench.latency", "--rate", wanted.rate, "--seconds", wanted.seconds, "--runs", 1)
    return found | {f"latency_{name}": float(one[name]) for name in ("p50_ms", "p95_ms", "p99_ms")}


def rounds(other: Path, wanted: argparse.Namespace) -> Iterator[tuple[Figures, Figures]]:
    """Yield the figures of this checkout and of the other one, round by round."""
    for number in range(wanted.rounds):
        order = [HERE, other] if number % 2 == 0 else [other, HERE]
        found = {}
        for checkout in order:
            found[checkout] = figures(checkout, wanted)
            side = "this" if checkout == HERE else "other"
            load = round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)
            print(json.dumps({"checkout": side, "load_of_each_core": load, **found[checkout]}), flush=True)
        yield found[HERE], found[other]


def ratios(pairs: Sequence[tuple[Figures, Figures]]) -> dict[str, list[float]]:
    """Return each figure's ratios, one a round; above 1 this checkout is better."""
    return {
        name: [
            other[name] / this[name] if name.endswith("_ms") else this[name] / other[name]
            for this, other in pairs
        ]
        for name in pairs[0][0]
    }


def main() -> None:
    """Print raw figures, and the ratios' medians and ranges."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ratings", type=int, default=48_000)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    wanted = parser.parse_args()
    for name, found in ratios(list(rounds(wanted.other.resolve(), wanted))).items():
        print(f"{name}: median {statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main()
