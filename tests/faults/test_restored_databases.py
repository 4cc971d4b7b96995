"""A PostgreSQL that is restored from a backup catches up with what was accepted, and tells nothing twice."""

from collections.abc import Sequence
from pathlib import Path

from schemas.topics import SESSION_RATED
from tests.support.faults.applied import applied, wait_until_caught_up
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import NOTIFIER
from tests.support.faults.observed import Ends, log_ends
from tests.support.faults.rows import BOTH, Size, row


def lacking(run: FaultRun, at_backup: Ends) -> int:
    """Return how many records of the log of ratings a backup does not know whose tables were that far."""
    ends = log_ends(run.fleet.kafka.bootstrap)
    return sum(end - at_backup.get(place, 0) for place, end in ends.items() if place[0] == SESSION_RATED.name)


def restore(run: FaultRun, backup: Path, stopped: Sequence[str] = ()) -> None:
    """Put the backup in the place of the database while these services are stopped and the others run."""
    fleet = run.fleet
    for name in stopped:
        fleet.processes[name].stop()
    fleet.postgres.kill()
    fleet.postgres.restore(backup)
    fleet.postgres.start()
    fleet.restart(stopped)


@row(backend=BOTH, scaled=240, full=2_000, in_ci=False)
def test_restored_databases(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """PostgreSQL is restored from a backup while the services run, then while they are stopped."""
    fleet, backup = fault_run.fleet, tmp_path / "backup"
    with fault_run.sending(slices=4) as gate:
        fault_run.wait_sent(len(fault_run.ratings) // 8)
        fault_run.measure_recovery()
        at_backup = applied(fault_run)
        fleet.postgres.stop()
        fleet.postgres.back_up(backup)
        fleet.postgres.start()
        gate.release()
        fault_run.wait_sent(len(fault_run.ratings) * 3 // 8)
        fault_run.measure_recovery()
        fault_run.measure_recovery(NOTIFIER)
        fault_run.recoveries_s.clear()
        running = lacking(fault_run, at_backup)
        restore(fault_run, backup)
        gate.release()
        wait_until_caught_up(fault_run)
        gate.release()
        stopped = lacking(fault_run, at_backup)
        restore(fault_run, backup, (NOTIFIER, *fleet.detectors))
    wait_until_caught_up(fault_run)
    assert 0 < running < stopped
    return f"2 backups, which lacked {running:,} and {stopped:,} ratings"
