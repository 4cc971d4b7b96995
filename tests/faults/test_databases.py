"""A PostgreSQL that is killed, locked or full delays ratings and loses none."""

import psycopg
import pytest

from tests.support.faults.fault_run import FaultRun
from tests.support.faults.rows import Size, row
from tests.support.faults.small_disk import filled
from tests.support.faults.stack_pool import FleetPool

BACKEND = "PostgreSQL"


@row(backend=BACKEND, scaled=240, full=2_000)
def test_database_killed(fault_run: FaultRun, size: Size) -> str:
    """The database server and all its connections are killed, again and again."""
    kills = size.pick(2, 10)
    with fault_run.sending(slices=kills + 1) as gate:
        for number in range(kills):
            gate.release()
            fault_run.fleet.wait_inside(fault_run.fleet.detectors[number % 2], 5)
            fault_run.fleet.postgres.kill()
            fault_run.fleet.postgres.start()
            fault_run.measure_recovery()
    return f"{kills} kills"


@pytest.mark.mount
@row(backend=BACKEND, scaled=240, full=2_000)
def test_database_full(fault_run: FaultRun, fleets: FleetPool, size: Size) -> str:
    """The disk of the tables is full to the last byte."""
    full_s = size.pick(5, 60)
    assert fleets.disk is not None
    with fault_run.sending(slices=2) as gate:
        with filled(fleets.disk):
            gate.release()
            fault_run.let_pass(full_s)
        fault_run.measure_recovery()
    return f"for {full_s} s"


@row(backend=BACKEND, scaled=240, full=2_000)
def test_database_locked(fault_run: FaultRun, size: Size) -> str:
    """Somebody holds a lock on the tables of ratings and deliveries, as a careless migration would."""
    locked_s = size.pick(7, 60)
    fleet = fault_run.fleet
    with fault_run.sending(slices=2) as gate:
        with psycopg.connect(fleet.database_url) as conn:
            conn.execute("LOCK TABLE detector.rating, notifier.delivery IN ACCESS EXCLUSIVE MODE")
            gate.release()
            fault_run.let_pass(locked_s)
        fault_run.measure_recovery()
    return f"for {locked_s} s"
