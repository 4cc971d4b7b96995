"""A broker that is killed and a detector that is frozen delay ratings and lose none."""

import signal

from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import READY_DEADLINE_S
from tests.support.faults.rows import Size, row


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
