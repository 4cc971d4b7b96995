"""Measures how long late first sessions hold the event loop, while whole histories are assessed again.

    python -m bench.late_sessions [--clients 400] [--sessions 20]

The histories are stored, then the earliest session of every client arrives in one batch. It prints the
longest pauses of the event loop by stage, beside those for as many new sessions, which assess no history
again. It prints for each the milliseconds by the clock, of processor time of this process, and of those in
the loop itself: the second is what an idle machine would show, and the last what no thread would mend.
"""

import argparse
import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

from services.detector.model.artefact import load
from services.detector.stream import pipeline
from services.detector.stream.batch import Batch, Tools
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.outbox.transaction import Transaction
from services.runtime.postgres.migrations import migrate
from tests.support.detector.batch_driver import DetectorDriver, SentRating, body, detector_driver, record_of
from tests.support.postgres import fresh_database, postgres_server

LOOK_EVERY_S = 0.001
MARKS = (4.5, 4.2, 4.4)


class LoopWatch:
    """Notes the longest pause of the event loop, by what was going on."""

    def __init__(self) -> None:
        self.longest_s: dict[str, tuple[float, float, float]] = {}
        self.doing = "start"

    async def run(self) -> None:
        """Look every millisecond until cancelled."""
        while True:
            before, doing = (time.perf_counter(), time.process_time(), time.thread_time()), self.doing
            await asyncio.sleep(LOOK_EVERY_S)
            after = time.perf_counter(), time.process_time(), time.thread_time()
            pause, process, loop = (late - early for early, late in zip(before, after, strict=True))
            for one in {doing, self.doing}:
                known = self.longest_s.get(one, (0.0, 0.0, 0.0))
                self.longest_s[one] = max(known[0], pause), max(known[1], process), max(known[2], loop)


@contextmanager
def watched_stages(watch: LoopWatch) -> Iterator[None]:
    """Note which stage runs."""
    stages = pipeline.STAGES

    def watched(stage: object) -> object:
        async def run(batch: Batch, tools: Tools) -> None:
            watch.doing = stage.__name__  # type: ignore[attr-defined]
            await stage(batch, tools)  # type: ignore[operator]

        run.__name__ = stage.__name__  # type: ignore[attr-defined]
        return run

    pipeline.STAGES = tuple(watched(stage) for stage in stages)  # type: ignore[assignment]
    try:
        yield
    finally:
        pipeline.STAGES = stages


async def measured(detector: DetectorDriver, sent: list[SentRating], first_offset: int, what: str) -> None:
    """Process ratings as one batch, store what it publishes, and print the longest pauses."""
    records = [record_of(one, first_offset + number) for number, one in enumerate(sent)]
    watch, outbox = LoopWatch(), Outbox("detector")

    async def work(tx: Transaction) -> None:
        watch.doing = "decode"
        await pipeline.process(tx, records, detector.tools)
        watch.doing = "outbox"
        await outbox.write(tx.conn, tx.outgoing)
        watch.doing = "commit"

    watching = asyncio.create_task(watch.run())
    began = time.perf_counter()
    with watched_stages(watch):
        outgoing = await detector.transact(work)
    took_s = time.perf_counter() - began
    watching.cancel()
    longest = sorted(watch.longest_s.items(), key=lambda one: -one[1][1])
    print(f"{what}: {len(outgoing)} events in {took_s:.2f} s; pauses, processor time, the loop's:")
    for stage, times_s in longest[:6]:
        print("".join(f"{1000 * one:8.0f} ms" for one in times_s), f" {stage}", flush=True)


async def measure(url: str, clients: int, sessions: int) -> None:
    """Print the measurement."""
    async with detector_driver(url, load()) as detector:
        await detector.practice()
        for week in range(sessions):
            await detector.rate(
                *(
                    body(week - sessions, MARKS, client_id=f"c{n}", session_id=f"s{week}")
                    for n in range(clients)
                )
            )
        new = [body(1, MARKS, client_id=f"c{n}", session_id="new") for n in range(clients)]
        late = [body(-sessions - 5, MARKS, client_id=f"c{n}", session_id="late") for n in range(clients)]
        again = [body(-sessions - 9, MARKS, client_id=f"c{n}", session_id="later") for n in range(clients)]
        await measured(detector, new, 1_000_000, "new sessions")
        await measured(detector, late, 2_000_000, "late sessions")
        await measured(detector, again, 3_000_000, "late sessions once more")


def main() -> None:
    """Measure on a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=400)
    parser.add_argument("--sessions", type=int, default=20)
    given = parser.parse_args()
    with postgres_server(durable=True) as server, fresh_database(server) as url:
        migrate(url, "detector")
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # as the detector's process does
        asyncio.run(measure(url, given.clients, given.sessions))


if __name__ == "__main__":
    main()
