"""A database that is restored to a moment goes on: nothing is lost, and what is told twice is counted."""

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from services.cli.demo.input_ratings import NetworkSize, simulate_ratings
from tests.faults.test_restored_databases import lacking
from tests.support.backend import real_node
from tests.support.faults.applied import applied, wait_until_caught_up
from tests.support.faults.fault_run import RECOVERY_DEADLINE_S, FaultRun, wait
from tests.support.faults.fleet import DETECTORS, NOTIFIER, Fleet, running_fleet
from tests.support.faults.postgres_server import postgres_node
from tests.support.faults.rows import BOTH, Size, row
from tests.support.faults.scraped import total

COPIED = "rapport_backup_last_success_timestamp_seconds"


def base_backup(fleet: Fleet) -> str:
    """Copy the server while everything runs, as the runbook says; return the name of the copy."""
    database = fleet.database_url.rpartition("/")[2]
    return fleet.postgres.run_script("base_backup.sh", database=database).partition(":")[0]


def restore_to(fleet: Fleet, moment: datetime) -> None:
    """Do what the section "Restore to a moment" of docs/operating.md says, but start no service."""
    for name in (NOTIFIER, *fleet.detectors):
        fleet.processes[name].stop()
    fleet.postgres.stop()
    fleet.postgres.run_script("restore.sh", moment.isoformat())
    fleet.postgres.start()
    wait(lambda: fleet.query("SELECT pg_is_in_recovery()") == [(False,)], "recovered", RECOVERY_DEADLINE_S)


@row(backend=BOTH, scaled=0, full=0, in_ci=False)
def test_restored_to_a_moment(size: Size, tmp_path: Path) -> str:
    """PostgreSQL is copied under load, and restored to a moment between that copy and now"""
    ratings = size.pick(400, 2_000)
    network = NetworkSize(clients=ratings // 10, sessions=10, practices=2, therapists=6)
    with ExitStack() as stack:
        kafka = stack.enter_context(real_node())
        postgres = stack.enter_context(postgres_node())
        postgres.stop()
        # Not below the folder of the test, which the server may not enter.
        backups = stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-backups-"))
        postgres.archive_to(Path(backups))
        postgres.start()
        folder = tmp_path / "fleet"
        folder.mkdir()
        fleet = stack.enter_context(running_fleet(kafka, postgres, folder, detectors=DETECTORS[:2]))
        run = FaultRun(fleet, tmp_path, simulate_ratings(network, 11, tmp_path)[0], "moment")
        run.prepare()
        stack.callback(run.close)
        with run.sending(slices=4) as gate:
            run.wait_sent(ratings // 8)
            name = base_backup(fleet)
            gate.release()
            run.wait_sent(ratings * 3 // 8)
            run.measure_recovery()
            run.measure_recovery(NOTIFIER)
            at_moment = applied(run)
            ((moment,),) = fleet.query("SELECT clock_timestamp()")
            assert isinstance(moment, datetime)
            gate.release()
            run.wait_sent(ratings * 5 // 8)
            run.measure_recovery()
            run.measure_recovery(NOTIFIER)
            lacked = lacking(run, at_moment)
            restore_to(fleet, moment)
            assert applied(run) == at_moment
            fleet.restart((NOTIFIER, *fleet.detectors))
        wait_until_caught_up(run)
        made = datetime.strptime(name, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        wait(lambda: total(fleet, [NOTIFIER], COPIED) == made, "the metric of the copy", RECOVERY_DEADLINE_S)
        report = run.finish()
    assert lacked > 0
    return (
        f"{lacked:,} ratings taken from Kafka again, {report.deliveries:,} deliveries,"
        f" {report.changes:,} changes, {report.repeated_messages:,} messages sent a second time under their"
        " ids, 0 lost"
    )
