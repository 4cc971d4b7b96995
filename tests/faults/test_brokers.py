"""A broker that is killed delays ratings and loses none."""

from tests.support.faults.fault_run import FaultRun
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
