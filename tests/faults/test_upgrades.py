"""Versions are exchanged under traffic: the version before runs on the tables of the next one, and back."""

from collections import Counter
from pathlib import Path

from services.cli.plugins import services_with_tables
from tests.support.faults.fault_run import RECOVERY_DEADLINE_S, FaultRun, wait
from tests.support.faults.fleet import INGEST, INGEST_SPARE, NOTIFIER, READY_DEADLINE_S, SPARES, Fleet
from tests.support.faults.history import read_history
from tests.support.faults.rows import Size, row
from tests.support.tree_copy import Copy, copy_tree

ATTEMPTS = 2
"""A rating is sent, and sent again once at most."""
ADDED = "ALTER TABLE {service}.practice ADD COLUMN example text"
TAKEN_AWAY = "ALTER TABLE {service}.practice DROP COLUMN example"
(SPARE_DETECTOR, _) = SPARES


def migrate(
    tree: Copy, fleet: Fleet, statement: str, runs_from: dict[str, str] | None = None
) -> dict[str, str]:
    """Add a migration to each service of a version, run them, and return their revisions."""
    oldest = runs_from or {}
    revisions = {
        service: tree.add_revision(service, statement.format(service=service), runs_from=oldest.get(service))
        for service in services_with_tables()
    }
    tree.rapport("migrate", environment={"DATABASE_URL": fleet.database_url})
    return revisions


def exchange(fleet: Fleet, name: str, tree: Copy | None) -> None:
    """End one replica and start it again as the version in `tree`; None: the version of this test."""
    extra = {} if tree is None else {"PYTHONPATH": str(tree.root), "PYTHONSAFEPATH": "1"}
    process = fleet.processes[name]
    process.stop()
    process.start(extra)
    process.wait_ready(READY_DEADLINE_S)


def exchange_ingest(fleet: Fleet, tree: Copy | None) -> None:
    """Start another replica before the one that takes requests ends, as a proxy with two replicas does."""
    exchange(fleet, INGEST_SPARE, tree)
    fleet.taking = INGEST_SPARE
    exchange(fleet, INGEST, tree)
    fleet.taking = INGEST
    fleet.processes[INGEST_SPARE].stop()


def most_attempts(run: FaultRun) -> int:
    """Return how often that rating was sent that was sent most often."""
    return max(Counter(one.sent for one in read_history(run.history.path)).values())


@row(scaled=240, full=2_000, in_ci=False)
def test_rolling_upgrade(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """A rolling upgrade, the way back, and the upgrade again; then what an old replica needs is taken away"""
    fleet, replicas = fault_run.fleet, (*fault_run.fleet.detectors, NOTIFIER)
    fault_run.discards_fleet = True
    newer = copy_tree(tmp_path / "newer")
    with fault_run.sending(slices=3 * len(replicas) + 5) as gate:
        revisions = migrate(newer, fleet, ADDED)
        for tree in (newer, None, newer):
            for name in replicas:
                gate.release()
                exchange(fleet, name, tree)
            gate.release()
            exchange_ingest(fleet, tree)
        old = fleet.processes[SPARE_DETECTOR]
        old.start()
        old.wait_ready(READY_DEADLINE_S)
        newest = copy_tree(tmp_path / "newest")
        for service in services_with_tables():
            newest.add_revision(service, ADDED.format(service=service))
        migrate(newest, fleet, TAKEN_AWAY, revisions)
        gate.release()
        wait(lambda: "they need revision" in fleet.describe(), "the old replica refuses", RECOVERY_DEADLINE_S)
        gate.release()
        fault_run.measure_recovery(NOTIFIER)
        old.stop()
        fault_run.measure_recovery()
    fault_run.wait_until_at_rest()
    attempts = most_attempts(fault_run)
    assert attempts <= ATTEMPTS, f"a rating was sent {attempts} times"
    return f"{3 * len(replicas) + 6} replicas exchanged, each rating sent {attempts} times at most"
