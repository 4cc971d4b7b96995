"""Registers the rows of docs/faults.md and keeps their results in docs/faults.json.

A row is one test in `tests/faults`, decorated with `row`; the first line of its docstring is its name. A row
that takes the fixture `fault_run` is checked by the checker after its body; another one checks itself and
returns its result in words.
"""

import fcntl
import functools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.faults.fault_run import FaultRun

ROOT = Path(__file__).resolve().parents[3]
RESULTS = ROOT / "docs" / "faults.json"
BOTH = "Kafka, PostgreSQL"
SCALED_S, FULL_S = 1500, 7200
"""How long a row may take at most, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size at which a row runs: scaled down as in CI, or full."""

    is_full: bool

    def pick(self, scaled: int, full: int) -> int:
        """Return the number for this size."""
        return full if self.is_full else scaled

    @property
    def name(self) -> str:
        """The name of this size."""
        return "full" if self.is_full else "scaled"


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One row: its name, what it runs on, and how many ratings it sends at each size."""

    test: str
    title: str
    backend: str
    scaled: int
    full: int
    sessions: int
    """Sessions of each client."""
    in_ci: bool = True
    """Whether CI runs it, at the scaled size; `make faults` runs every row."""

    def ratings(self, size: Size) -> int:
        """Return how many ratings the row sends at least."""
        return size.pick(self.scaled, self.full)


@dataclass(frozen=True, slots=True)
class RowResult:
    """What a row ended with at one size."""

    date: str
    size: str
    result: str
    recovery_s: float | None = None
    """Median seconds until work went on after a fault; None: not measured."""
    load: float = 0.0
    """Processes that wanted each core of the machine at the end of the row, on average over a minute."""


ROWS: dict[str, FaultRow] = {}
"""The rows by the name of their test, in the order of the files."""


def row(
    *,
    backend: str = BOTH,
    scaled: int = 240,
    full: int = 2_000,
    sessions: int = 10,
    in_ci: bool = True,
    longest_s: int = SCALED_S,
) -> Callable[[Callable[..., str | None]], Callable[..., None]]:
    """Make a test a row.

    `scaled` and `full` are the numbers of ratings that it sends (0: it sends none). A row that takes longer
    than CI can wait for is not `in_ci`; `longest_s` is how long it may take at the scaled size.
    """

    def decorate(function: Callable[..., str | None]) -> Callable[..., None]:
        title = (function.__doc__ or "").strip().splitlines()
        assert title, f"{function.__name__} needs a docstring that names its row"
        ROWS[function.__name__] = FaultRow(
            function.__name__, title[0].rstrip("."), backend, scaled, full, sessions, in_ci
        )

        @functools.wraps(function)
        def run(**fixtures: object) -> None:
            size = fixtures["size"]
            assert isinstance(size, Size)
            try:
                result = _run(function, fixtures)
            except BaseException as failure:
                _keep(function.__name__, size, f"FAILED: {type(failure).__name__}", None)
                raise
            fault_run = fixtures.get("fault_run")
            recovery_s = fault_run.recovery_s if isinstance(fault_run, FaultRun) else None
            _keep(function.__name__, size, result, recovery_s)

        marks = [pytest.mark.durable, pytest.mark.timeout(longest_s), pytest.mark.xdist_group("faults")]
        if not in_ci:
            marks.append(pytest.mark.long)
        for mark in marks:
            mark(run)
        return run

    return decorate


def _run(function: Callable[..., str | None], fixtures: Mapping[str, object]) -> str:
    said = function(**fixtures)
    fault_run = fixtures.get("fault_run")
    if not isinstance(fault_run, FaultRun):
        assert said, f"{function.__name__} has to say what it found"
        return said
    report = fault_run.finish()
    counted = f"{report.deliveries:,} deliveries, {report.changes:,} changes, {report.mails:,} mails"
    return ", ".join(filter(None, [said, counted, "0 lost, 0 doubled, 0 other than the oracle"]))


KEEP: list[bool] = []
"""Holds True when results are to be kept."""


def _keep(test: str, size: Size, result: str, recovery_s: float | None) -> None:
    if not any(KEEP):
        return
    found = RowResult(datetime.now(UTC).date().isoformat(), size.name, result, recovery_s, _load())
    with RESULTS.open("r+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = json.load(file)
        kept.setdefault(test, {})[size.name] = asdict(found)
        file.seek(0)
        file.truncate()
        file.write(json.dumps(dict(sorted(kept.items())), indent=2) + "\n")


def _load() -> float:
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)


def kept_results() -> dict[str, dict[str, RowResult]]:
    """Return the kept results of each row by size."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    return {test: {size: RowResult(**one) for size, one in sizes.items()} for test, sizes in kept.items()}
