"""Runs one row: sends ratings while faults happen, waits for rest, and checks everything."""

import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.settings import InstrumentSettings
from services.cli.demo.input_ratings import InputRating
from services.detector.domain.detector import Detector
from services.detector.model.artefact import load
from services.runtime.kafka.record import Record
from tests.support import invariants
from tests.support.faults.at_rest import READERS, UNFINISHED, committed_offsets
from tests.support.faults.checker import Report, check
from tests.support.faults.fleet import Fleet
from tests.support.faults.gate import Gate
from tests.support.faults.history import HistoryFile, read_history
from tests.support.faults.observed import (
    Ends,
    log_ends,
    of_practices,
    read_log,
    read_sink,
    read_tables,
)
from tests.support.faults.oracle import GONE, expect
from tests.support.faults.sender import Sender

POLL_S = 0.1
RECOVERY_DEADLINE_S = 240.0
"""For a machine that other programs keep busy: how long it took stands in the page, with the load."""


@cache
def shipped_model() -> tuple[Detector, Catalogue]:
    """Return the model and the instruments that the services run with."""
    return load(), InstrumentSettings().catalogue()


@dataclass(slots=True)
class FaultRun:
    """One row on a running system; its practices are its own, so rows share the system."""

    fleet: Fleet
    folder: Path
    ratings: Sequence[InputRating]
    name: str
    practices: tuple[str, ...] = ()
    recoveries_s: list[float] = field(default_factory=list)
    kept_log: list[Record] = field(default_factory=list)
    """Records of the log of ratings that a fault takes away later."""
    lost: set[str] = field(default_factory=set)
    """Ids of ratings that a repair has named as gone from the log."""
    report: Report = field(default_factory=Report)
    historical: frozenset[str] = frozenset()
    """Practices that mark what they send as history; nobody sends both ways, because of a rating that came
    both ways nobody knows which was read first."""
    discards_fleet: bool = False
    """Whether the row leaves a system in which no other row can run."""
    while_waiting: Callable[[], object] = lambda: None
    """Called again and again until the run is at rest: what an operator does meanwhile."""
    _since: Ends = field(default_factory=dict)
    history: HistoryFile = field(init=False)
    _sender: Sender = field(init=False)
    _sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self) -> None:
        """Add the row's practices with their therapists."""
        self.practices = tuple(sorted({self.practice_of(rating) for rating in self.ratings}))
        for practice in self.practices:
            self.fleet.add_practice(practice, self.therapists_of(practice))
        self._since = log_ends(self.fleet.kafka.bootstrap)
        self.history = HistoryFile(self.folder / "history.ndjson")
        self._sender = Sender(lambda: self.fleet.ingest_url, self.fleet.key(self.practices), self.history)

    def therapists_of(self, practice: str) -> list[str]:
        """Return the therapists of a practice of this run."""
        own = [rating for rating in self.ratings if self.practice_of(rating) == practice]
        return sorted({rating.body["therapist_id"] for rating in own if rating.expected != "refused"})

    def close(self) -> None:
        """Close the history file."""
        self.history.close()

    @property
    def sent(self) -> int:
        """The number of ratings that have a final answer."""
        return self._sent

    @contextmanager
    def sending(
        self,
        ratings: Sequence[InputRating] | None = None,
        *,
        slices: int = 1,
        rate: float | None = None,
    ) -> Iterator[Gate]:
        """Send ratings (None: all of the row) while the block runs; at its end the rest is sent at once.

        Each practice's are sent in order, at the same time as the others'. With `slices`, the row releases
        them one by one, so that there is something to do at each fault on a slow machine, too. `rate` is that
        of each practice, in ratings a second.
        """
        given = self.ratings if ratings is None else ratings
        gate = Gate(slices=slices, rate=rate)
        with ThreadPoolExecutor(len(self.practices)) as senders:
            futures = [
                senders.submit(
                    self._sender.send,
                    practice,
                    [rating.body for rating in given if self.practice_of(rating) == practice],
                    history=practice in self.historical,
                    before=gate.waiting(),
                    progress=self._count,
                )
                for practice in self.practices
            ]
            try:
                yield gate
            finally:
                gate.open()
            for future in futures:
                future.result()

    def practice_of(self, rating: InputRating) -> str:
        """Return the practice of this run in which a rating is sent."""
        return f"{self.name}-{rating.practice}"

    def _count(self, count: int) -> None:
        with self._lock:
            self._sent += count

    def wait_sent(self, count: int, deadline_s: float = 60.0) -> None:
        """Wait until this number of ratings have a final answer."""
        wait(lambda: self._sent >= count, f"{count} ratings sent", deadline_s)

    def measure_recovery(self, name: str = "detector") -> float:
        """Measure how long a service takes to work through all that is in the log now; for ingest, how long
        it takes to be ready again."""
        began = time.monotonic()
        if name == "ingest":
            self.fleet.processes[name].wait_ready(RECOVERY_DEADLINE_S)
        else:
            ends = log_ends(self.fleet.kafka.bootstrap)
            self._wait(lambda: self._is_read(_group_of(name), ends), f"{name} to go on", RECOVERY_DEADLINE_S)
        took = time.monotonic() - began
        self.recoveries_s.append(took)
        return took

    def wait_read_or_ended(self, names: Iterable[str], deadline_s: float = RECOVERY_DEADLINE_S) -> None:
        """Wait until each of these processes has read all that is in the log now, or has ended by itself."""
        ends = log_ends(self.fleet.kafka.bootstrap)

        def is_done(name: str) -> bool:
            return self.fleet.processes[name].pid is None or self._is_read(_group_of(name), ends)

        self._wait(lambda: all(map(is_done, names)), f"{', '.join(names)} to read or to end", deadline_s)

    def _wait(self, holds: Callable[[], bool], what: str, deadline_s: float) -> None:
        try:
            wait(holds, what, deadline_s)
        except AssertionError as late:
            late.add_note(self.fleet.describe())
            raise

    def wait_until_at_rest(self, deadline_s: float = RECOVERY_DEADLINE_S) -> None:
        """Wait until every rating has its outcome, every change is decided upon and every message sent."""
        for group in READERS:
            ends = log_ends(self.fleet.kafka.bootstrap)
            self._wait(partial(self._is_read, group, ends), f"{group} at rest", deadline_s)
            for what, query in UNFINISHED[group].items():
                self._wait_for_rest(query, what, deadline_s)

    def _wait_for_rest(self, query: str, what: str, deadline_s: float) -> None:
        """Wait until nothing is left of what a query counts; the deadline is for each step forward."""
        left, since = self._count_rows(query), time.monotonic()
        while left:
            time.sleep(POLL_S)
            before, left = left, self._count_rows(query)
            if left < before:
                since = time.monotonic()
            if time.monotonic() - since > deadline_s:
                raise AssertionError(
                    f"nothing for {deadline_s:.0f} s: {what}, {left} left\n{self.fleet.describe()}"
                )

    def _is_read(self, group: str, ends: Ends) -> bool:
        self.while_waiting()
        committed = committed_offsets(self.fleet.kafka.bootstrap, group)
        wanted = {place: end for place, end in ends.items() if place[0] in READERS[group] and end}
        return all(committed.get(place, 0) >= end for place, end in wanted.items())

    def _count_rows(self, query: str) -> int:
        return int(str(self.fleet.query(query, list(self.practices))[0][0]))

    def broken_invariants(self) -> dict[str, list[TupleRow]]:
        """Return what does not hold in the detector's tables, in those of earlier rows, too."""
        return asyncio.run(_broken_invariants(self.fleet.database_url))

    def keep_log(self, *, from_the_start: bool = False) -> None:
        """Keep what Kafka holds now: a fault is about to take it away, maybe with all that was before."""
        self.kept_log = read_log(self.fleet.kafka.bootstrap, self._since)
        if from_the_start:
            self._since = {}

    @staticmethod
    def let_pass(seconds: float) -> None:
        """Let time pass during which something is away: its duration is the fault."""
        time.sleep(seconds)

    def finish(self, deadline_s: float = RECOVERY_DEADLINE_S) -> Report:
        """Wait for rest and check everything; fails with the first violations."""
        self.wait_until_at_rest(deadline_s)
        self.close()
        own = frozenset(self.practices)
        log, published = of_practices(self._records(), own)
        model, catalogue = shipped_model()
        seen = read_tables(self.fleet.database_url, self.practices, self._since)
        seen.operations = read_history(self.history.path)
        seen.log, seen.published = log, published
        seen.mails = read_sink(self.fleet.sinks / "mails.ndjson", own)
        seen.webhooks = read_sink(self.fleet.sinks / "webhooks.ndjson", own)
        seen.lost = frozenset(self.lost)
        expected = expect(log, model, catalogue, datetime.now(UTC).date())
        expected.outcomes = {place: one for place, one in expected.outcomes.items() if not place.is_gone}
        self.report = check(seen, expected)
        shown = "\n".join(self.report.violations[:20])
        assert not self.report.violations, f"{len(self.report.violations)} violations, such as\n{shown}"
        assert self.report.changes, "no episode opened, so this row would prove nothing"
        return self.report

    def _records(self) -> list[Record]:
        """Return what Kafka holds, and what it held before a fault took it away, at places of its own."""
        records = read_log(self.fleet.kafka.bootstrap, self._since)
        held = {(one.topic, one.partition, one.offset, one.value) for one in records}
        gone = [
            Record(one.topic, one.partition + GONE, one.offset, 0, one.key, one.value)
            for one in self.kept_log
            if (one.topic, one.partition, one.offset, one.value) not in held
        ]
        return [*gone, *records]

    @property
    def recovery_s(self) -> float | None:
        """The median of the measured recoveries."""
        return round(statistics.median(self.recoveries_s), 1) if self.recoveries_s else None


async def _broken_invariants(database_url: str) -> dict[str, list[TupleRow]]:
    async with await AsyncConnection.connect(database_url) as conn:
        return await invariants.broken(conn)


def _group_of(name: str) -> str:
    return f"rapport-{name.partition('-')[0]}"


def wait(holds: Callable[[], bool], what: str, deadline_s: float) -> None:
    """Return once `holds()`; fail with `what` when it does not within the deadline."""
    ends = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < ends, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(POLL_S)
