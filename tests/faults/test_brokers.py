"""A broker that is killed or away and a detector that is frozen delay ratings and lose none."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import READY_DEADLINE_S
from tests.support.faults.history import Ending, read_history
from tests.support.faults.rows import Size, row
from tests.support.faults.sender import prepare


@row(backend="Kafka", scaled=240, full=2_000)
def test_broker_killed(fault_run: FaultRun, size: Size) -> str:
    """The broker is killed like in a power cut, again and again."""
    kills = size.pick(2, 10)
    with fault_run.sending(slices=kills + 1) as gate:
        for _ in range(kills):
            gate.release()
            fault_run.fleet.kafka.kill()
            fault_run.fleet.kafka.start()
            fault_run.measure_recovery()
    return f"{kills} kills"


@contextmanager
def _nothing_accepted(run: FaultRun) -> Iterator[None]:
    """Check that ingest accepts nothing while the block runs, and asks to send again later."""
    began = time.time()
    rating = next(one for one in reversed(run.ratings) if one.expected == "accepted")
    practice = run.practice_of(rating)
    headers = {"Authorization": f"Bearer {run.fleet.key([practice])}", "Rapport-Practice": practice}
    noted = run.history.invoke(prepare(practice, rating.body).sent)
    answer = httpx.post(
        f"{run.fleet.ingest_url}/v1/ratings", json=rating.body, headers=headers, timeout=30, trust_env=False
    )
    run.history.end(noted, Ending.UNKNOWN, "asked while the broker was away")
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    yield
    ended = time.time()
    meanwhile = [
        one
        for one in read_history(run.history.path)
        if one.invoked_at > began and one.ended_at is not None and one.ended_at < ended
    ]
    assert [one for one in meanwhile if one.ending is Ending.OK] == []
    assert {one.sent.practice for one in meanwhile} == set(run.practices), "somebody sent nothing meanwhile"


@row(backend="Kafka", scaled=240, full=2_000, in_ci=False)
def test_broker_away(fault_run: FaultRun, size: Size) -> str:
    """The broker is away for a minute: first stopped, then frozen so that every connection hangs."""
    away_s, kafka = size.pick(10, 60), fault_run.fleet.kafka
    with fault_run.sending(slices=3) as gate:
        fault_run.wait_sent(1)
        kafka.stop()
        with _nothing_accepted(fault_run):
            gate.release()
            fault_run.let_pass(away_s)
        kafka.start()
        fault_run.measure_recovery()
        kafka.freeze()
        try:
            with _nothing_accepted(fault_run):
                gate.release()
                fault_run.let_pass(away_s)
        finally:
            kafka.thaw()
        fault_run.measure_recovery()
    return f"twice {away_s} s, nothing accepted meanwhile"


@row(scaled=400, full=4_000, in_ci=False)
def test_frozen_inside_a_transaction(fault_run: FaultRun, size: Size) -> str:
    """A detector is frozen inside a transaction (SIGSTOP); another goes on, and the frozen one wakes up."""
    fleet, runs, inside = fault_run.fleet, size.pick(2, 10), 0
    with fault_run.sending(slices=4 * runs) as gate:
        for number in range(runs):
            name = fleet.detectors[number % len(fleet.detectors)]
            with fleet.watched() as is_inside:
                for _ in range(4):
                    gate.release()
                    fleet.wait_inside(name, 5)
                    fleet.signal(name, signal.SIGSTOP)
                    if is_inside(name):
                        inside += 1
                        break
                    fleet.signal(name, signal.SIGCONT)
            try:
                fault_run.measure_recovery()
            finally:
                fleet.signal(name, signal.SIGCONT)
            fleet.processes[name].wait_ready(READY_DEADLINE_S)
    return f"{runs} times, {inside} of them surely inside"
