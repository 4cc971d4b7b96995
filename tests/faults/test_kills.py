"""Processes that are killed, at every label and at random, lose nothing and tell nobody twice."""

import random
from collections.abc import Iterator, Sequence

from confluent_kafka import Producer

from schemas.topics import EPISODE_CHANGED, PARTITIONS
from services.cli.demo.input_ratings import InputRating
from services.cli.local.child_process import ChildProcess, StartFailed
from services.runtime.process.kill_points import KILLED_EXIT_CODE, LABELS
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import NOTIFIER, READY_DEADLINE_S, Fleet
from tests.support.faults.rows import Size, row

SLICE = 16
"""Ratings that are sent at once."""
SMALL_BATCHES = {"DETECTOR_MAX_RECORDS": "4"}
"""Makes several batches of each slice full, so that the next begins while a full one is published."""


@row(scaled=640, full=4_000)
def test_kills_at_each_label(fault_run: FaultRun, size: Size) -> str:
    """Detector and notifier are killed at each label of the order of effects."""
    victims = (fault_run.fleet.detectors[0], NOTIFIER)
    processes = [fault_run.fleet.processes[name] for name in victims]
    labels = LABELS * size.pick(1, 5)
    # One practice's ratings pass the labels as history.
    fault_run.historical = frozenset(fault_run.practices[1:])
    slices = enumerate(_slices(fault_run.ratings))
    broken_before = fault_run.broken_invariants()
    for process in processes:
        process.stop()
    for label in labels:
        for process in processes:
            # At the second passage, because a heartbeat may be the first.
            process.start({"RAPPORT_KILL_AT": f"{label}:2", **SMALL_BATCHES})
        for process in processes:
            _wait_ready_or_ended(process)
        while living := [name for name in victims if fault_run.fleet.processes[name].pid is not None]:
            number, part = next(slices)
            with fault_run.sending(part):
                # The notifier publishes only what it rejects: without this it would pass no such label.
                _write_no_event(fault_run.fleet, number % PARTITIONS)
            fault_run.wait_read_or_ended(living)
        assert [process.exit_code for process in processes] == [KILLED_EXIT_CODE, KILLED_EXIT_CODE], label
    for process in processes:
        process.start()
    with fault_run.sending([rating for _, part in slices for rating in part]):
        for process in processes:
            process.wait_ready(READY_DEADLINE_S)
    fault_run.wait_until_at_rest()
    assert fault_run.broken_invariants() == broken_before
    return f"{len(victims) * len(labels)} kills"


def _slices(ratings: Sequence[InputRating]) -> Iterator[Sequence[InputRating]]:
    return (ratings[start : start + SLICE] for start in range(0, len(ratings), SLICE))


def _wait_ready_or_ended(process: ChildProcess) -> None:
    """Wait until it owns partitions: what is sent before is read by the other detector."""
    try:
        process.wait_ready(READY_DEADLINE_S)
    except StartFailed:
        if process.pid is not None:
            raise


def _write_no_event(fleet: Fleet, partition: int) -> None:
    """Write what the notifier will reject to its topic of changes, and wait for the acknowledgement."""
    producer = Producer({"bootstrap.servers": fleet.kafka.bootstrap, "log_level": 0})
    producer.produce(EPISODE_CHANGED.name, value=b"this is no event", partition=partition)
    assert producer.flush(30) == 0


@row(scaled=240, full=20_000, in_ci=False)
def test_kills_at_random(fault_run: FaultRun, size: Size) -> str:
    """Any process is killed at random, every second time inside a transaction."""
    fleet, chosen = fault_run.fleet, random.Random(7)  # noqa: S311 - which process is killed is no secret
    kills = size.pick(8, 200)
    names = (*fleet.detectors, *fleet.detectors, NOTIFIER, "ingest")
    inside = 0
    with fault_run.sending(slices=kills + 1) as gate:
        for number in range(kills):
            name = chosen.choice(names)
            gate.release()
            if number % 2 and name != "ingest":
                inside += fleet.wait_inside(name, 5)
            fleet.processes[name].kill()
            fleet.processes[name].start()
            fault_run.measure_recovery(name)
    return f"{kills} kills, {inside} of them inside a transaction"
