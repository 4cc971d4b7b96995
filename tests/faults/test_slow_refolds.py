"""Histories that take long to assess again delay no other partition, and cost no process its place."""

import time
from collections.abc import Callable, Sequence
from functools import partial

import httpx

from schemas.topics import SESSION_RATED
from services.cli.demo.input_ratings import InputRating
from tests.support.faults.courses import WELL, Courses
from tests.support.faults.fault_run import RECOVERY_DEADLINE_S, FaultRun, wait
from tests.support.faults.fleet import Fleet
from tests.support.faults.rows import Size, row
from tests.support.faults.scraped import total

SLOW = "tests.support.faults.slow_detector"
CLIENTS, SESSIONS = 28, 20
"""Half of the clients are in partitions of one detector: to assess their histories again takes longer than a
transaction may."""
LONG, LONG_SESSIONS = CLIENTS, 120
"""One more client, whose history is assessed beside the consumer."""
LIVE_RATE = 6.0
"""How many ratings each practice sends per second."""
ALIVE_S = 5.0
"""In which each event loop has to answer: Kafka waits for a member for ten seconds."""
GOES_ON_S = 10.0
"""In which the other detector has to go on: less than a transaction may take."""
PARTITIONS = """
SELECT DISTINCT client_id, partition FROM detector.rating
WHERE client_id LIKE 'long-%%' AND practice_id = ANY(%s)
"""
APPLIED = "SELECT sum(next_offset) FROM detector.applied WHERE topic = %s AND partition = ANY(%s)"
CURRENT = """
SELECT count(*) FROM detector.assessment a JOIN detector.rating r USING (practice_id, rating_id)
WHERE r.current AND r.session_id = ANY(%s) AND a.practice_id = ANY(%s) AND r.recorded_at = %s::timestamptz
"""


def _owned(fleet: Fleet, name: str) -> set[int]:
    """Return the partitions of the log of ratings that this detector has."""
    topic = SESSION_RATED.name
    return {
        number
        for number in range(SESSION_RATED.partitions)
        if total(fleet, [name], "rapport_consumer_assigned", topic=topic, partition=str(number))
    }


class _Watch:
    """Looks at the detectors while one of them has too much to do."""

    def __init__(self, fleet: Fleet, others: set[int]) -> None:
        self._fleet = fleet
        self._others = sorted(others)
        self._applied, self._since = -1, time.monotonic()
        self.longest_answer_s = self.longest_pause_s = 0.0

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Look until `holds()`."""

        def look() -> bool:
            self._ask()
            self._note_progress()
            return holds()

        self._since = time.monotonic()
        wait(look, what, RECOVERY_DEADLINE_S)

    def _ask(self) -> None:
        for name in self._fleet.detectors:
            began = time.monotonic()
            httpx.get(f"{self._fleet.processes[name].url}/livez", trust_env=False, timeout=60)
            self.longest_answer_s = max(self.longest_answer_s, time.monotonic() - began)
        assert total(self._fleet, self._fleet.detectors, "rapport_consumer_fenced_partitions") == 0

    def _note_progress(self) -> None:
        applied = int(str(self._fleet.query(APPLIED, SESSION_RATED.name, self._others)[0][0]))
        if applied > self._applied:
            self._applied, now = applied, time.monotonic()
            self.longest_pause_s = max(self.longest_pause_s, now - self._since)
            self._since = now


@row(scaled=1_600, full=8_000, in_ci=False)
def test_slow_refolds(fault_run: FaultRun, size: Size) -> str:
    """Histories are slow to assess again, and the first sessions of many arrive late and are corrected."""
    fleet, courses = fault_run.fleet, Courses(fault_run, "long")
    lengths = dict.fromkeys(range(CLIENTS), SESSIONS) | {LONG: LONG_SESSIONS}
    live = len(fault_run.ratings) // 6
    before = [
        one for client, number in lengths.items() for one in courses.of(client, [WELL] * number, first=1)
    ]
    with fault_run.sending([*fault_run.ratings[:live], *before]):
        pass
    fault_run.measure_recovery()
    for name in fleet.detectors:
        fleet.processes[name].run_as(SLOW)
    try:
        fleet.restart(fleet.detectors)
        said = _refold(fault_run, courses, fault_run.ratings[live:])
    finally:
        for name in fleet.detectors:
            fleet.processes[name].run_as("services.detector")
        fleet.restart(fleet.detectors)
    return said


def _refold(run: FaultRun, courses: Courses, live: Sequence[InputRating]) -> str:
    fleet = run.fleet
    found = fleet.query(PARTITIONS, list(run.practices))
    places = {str(client): int(str(number)) for client, number in found}
    owned = {name: _owned(fleet, name) for name in fleet.detectors}

    def clients_of(name: str) -> list[int]:
        return [client for client in range(CLIENTS) if places[f"long-{client}"] in owned[name]]

    busy = max(fleet.detectors, key=lambda name: len(clients_of(name)))
    clients = [*clients_of(busy), LONG]
    watch = _Watch(fleet, set().union(*(owned[name] for name in fleet.detectors if name != busy)))
    rebalances = total(fleet, fleet.detectors, "rapport_rebalances_total")
    with run.sending(live, rate=LIVE_RATE):
        for version in (0, 1):
            late = [courses.session(client, 0, WELL - version, version=version) for client in clients]
            with run.sending(late):
                pass
            ids = [one.body["session_id"] for one in late]
            given = (ids, list(run.practices), late[0].body["recorded_at"])
            watch.until(partial(_is_done, fleet, given), "the histories again")
        splits = total(fleet, [busy], "rapport_batch_splits_total")
    run.recoveries_s.clear()
    run.measure_recovery()
    run.wait_until_at_rest()
    assert splits, "no batch was too slow, so this row would prove nothing"
    assert total(fleet, fleet.detectors, "rapport_rebalances_total") == rebalances, "somebody lost its place"
    assert watch.longest_answer_s < ALIVE_S
    assert watch.longest_pause_s < GOES_ON_S
    return (
        f"twice {len(clients)} histories, {splits:.0f} halvings, the longest pause in other partitions "
        f"{watch.longest_pause_s:.1f} s, the slowest answer {watch.longest_answer_s:.1f} s"
    )


def _is_done(fleet: Fleet, given: tuple[list[str], list[str], str]) -> bool:
    return fleet.query(CURRENT, *given) == [(len(given[0]),)]
