"""Measures how fast the detector processes the same records in a database of many ratings and in others."""

import itertools
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from bench.detector import DetectorRun, measure_in
from bench.fill_topic import LAST, MINUTES, PRACTICES, SESSIONS, ratings_of, send_all
from bench.report import report
from services.runtime.kafka.record import Outgoing
from tests.support.backend import Backend, real_backend, real_node


@dataclass(frozen=True, slots=True)
class Compared:
    """Whose ratings are processed in the full database, and in another one that holds little else."""

    whose: str
    clients: Sequence[int]
    full: str
    other: str


def show_throughput(pairs: Sequence[Compared], *, runs: int) -> None:
    """Print how fast the detector processes the same records in both databases of each pair, in turn."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        node = stack.enter_context(real_node())
        numbers = itertools.count()
        for pair in pairs:
            ratios = []
            for run in range(runs):
                made = ratings_of(pair.clients[run::runs], range(SESSIONS))
                pace = {}
                for place in ("full", "other") if run % 2 else ("other", "full"):
                    number = next(numbers)
                    url = pair.full if place == "full" else pair.other
                    # Topics of its own, as the detector takes a database for a restored one that lacks what
                    # the topics hold.
                    with real_backend(node, f"run-{number}") as backend:
                        found = _measured(url, made, number, backend, folder)
                    pace[place] = found.per_second
                    report(
                        clients=pair.whose,
                        database=place,
                        ratings=found.ratings,
                        per_second=found.per_second,
                        per_core=found.per_core,
                        memory_mb=found.memory_mb,
                    )
                ratios.append(pace["full"] / pace["other"])
            report(clients=pair.whose, throughput_ratio=round(statistics.median(ratios), 2))


def _measured(url: str, made: Sequence[Outgoing], number: int, backend: Backend, folder: Path) -> DetectorRun:
    """Process these records, and check that each of them was assessed."""
    count = send_all(backend.bootstrap, made)
    forget_positions(url)
    before = assessed(url)
    kafka = dict(backend.kafka_env)
    found = measure_in(url, "full path", number, kafka=kafka, ratings=count, folder=folder)
    if assessed(url) - before != count:
        raise RuntimeError(f"{assessed(url) - before} of {count} ratings were assessed")
    return found


def assessed(url: str) -> int:
    """Return how many sessions of the live clients are assessed: the last ones, by session."""
    with psycopg.connect(url) as conn:
        row = conn.execute(
            "SELECT count(*) FROM detector.assessment WHERE practice_id = ANY(%s) AND session_at >= %s",
            (
                [f"practice-{number}" for number in range(PRACTICES)],
                LAST - timedelta(weeks=SESSIONS, minutes=MINUTES),
            ),
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def forget_positions(url: str) -> None:
    """Let the next run read its topics, which were made again and maybe by another Kafka, from the start."""
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "DELETE FROM detector.applied; DELETE FROM detector.published; DELETE FROM detector.halt;"
            " DELETE FROM detector.cluster"
        )
