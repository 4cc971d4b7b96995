"""Measures time and memory of `rapport score` on a large table, in both orders of rows (Linux only).

    python -m bench.score_file [--ratings 1000000] [--order by-time|by-client|both]

The table is simulated with every shipped instrument, weekly sessions, and declined and partly filled forms.
Ordered by time, every client is open until the end of the file; ordered by client, only one is. The command
runs in its own process; `memory_mb` is the largest memory of that process and its workers together.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from lab.simulator.cohort import simulate
from lab.simulator.instruments import catalogue_instruments
from lab.simulator.item_responses import in_instrument_units
from lab.simulator.world import typical_world

ORDERS = ("by-time", "by-client")
AT_ONCE = 2_000
WORKERS = 2
BEGAN = datetime(2025, 1, 6, 10, tzinfo=UTC)
INSTRUMENTS = catalogue_instruments()
ITEMS = max(instrument.items for instrument in INSTRUMENTS)
HEADER = (
    "practice_id", "client_id", "therapist_id", "session_id", "session_at", "instrument",
    *(f"item_{number}" for number in range(1, ITEMS + 1)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScoreRun:
    """One run of the command."""

    order: str
    ratings: int
    seconds: float
    cpu_seconds: float
    microseconds_per_rating: float
    memory_mb: float


def rows(seed: int = 1) -> Iterator[tuple[int, list[object]]]:
    """Yield day and row of simulated ratings, client by client, without end."""
    rng = np.random.default_rng(seed)
    number = 0
    while True:
        instrument = INSTRUMENTS[number // AT_ONCE % len(INSTRUMENTS)]
        cohort = simulate(rng, AT_ONCE, typical_world(instrument, rng), 12)
        marks = in_instrument_units(instrument, cohort.marks.copy())
        for client in range(AT_ONCE):
            number += 1
            who = [f"practice-{number % 20}", f"c{number}", f"t{number // 15}"]
            began = BEGAN + timedelta(days=number % 180)
            for t in np.nonzero(cohort.present[client])[0].tolist():
                given: list[object] = [""] * ITEMS
                if not cohort.declined[client, t]:
                    items = ["" if np.isnan(mark) else f"{mark:g}" for mark in marks[client, t].tolist()]
                    given[: len(items)] = items
                at = (began + timedelta(weeks=t)).isoformat()
                yield number % 180 + 7 * t, [*who, f"s{number}-{t}", at, instrument.id, *given]


def write(file: Path, count: int, order: str) -> None:
    """Write a table of `count` ratings."""
    made = [row for _, row in zip(range(count), rows(), strict=False)]
    if order == "by-time":
        made.sort(key=lambda row: row[0])
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(HEADER)
        writer.writerows(row for _, row in made)


def measure(file: Path, count: int, order: str) -> ScoreRun:
    """Score the table in another process."""
    out = file.with_suffix(".scores.csv")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    command = [sys.executable, "-m", "bench.score_file", "--score", str(file), str(out)]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = json.loads(said.splitlines()[-1])["memory_mb"]
    with out.open(encoding="utf-8") as lines:
        assert sum(1 for _ in lines) == count + 1, "a line for every rating"
    return ScoreRun(order, count, round(seconds, 1), round(cpu, 1), round(1e6 * seconds / count, 1), memory)


def score(file: Path, out: Path) -> None:
    """Run `rapport score`, then print the largest memory it used."""
    from services.detector.cli.score import score as command

    command(file, out)
    # Not ru_maxrss of this process: it is inherited from the parent process.
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    most = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    workers = WORKERS * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"memory_mb": round((most + workers) / 1e3)}))


def main() -> None:
    """Write the tables, score them and print the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=1_000_000)
    parser.add_argument("--order", choices=[*ORDERS, "both"], default="both")
    parser.add_argument("--score", nargs=2, type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.score:
        score(*wanted.score)
        return
    for order in ORDERS if wanted.order == "both" else (wanted.order,):
        with tempfile.TemporaryDirectory(prefix="rapport-bench-") as folder:
            file = Path(folder) / "ratings.csv"
            write(file, wanted.ratings, order)
            print(json.dumps(asdict(measure(file, wanted.ratings, order))), flush=True)


if __name__ == "__main__":
    main()
