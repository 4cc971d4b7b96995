"""A Kafka with an older volume halts its readers; a repair names what the log lost, and nothing is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.faults.fault_run import FaultRun, wait
from tests.support.faults.fleet import Fleet
from tests.support.faults.rows import Size, row

DEADLINE_S = 240.0


def _restore_volume(fleet: Fleet, older: Path) -> None:
    fleet.kafka.kill()
    shutil.rmtree(fleet.kafka.folder)
    shutil.copytree(older, fleet.kafka.folder)
    fleet.kafka.start()


def _halts(fleet: Fleet) -> set[str]:
    return {
        service
        for service in ("detector", "notifier")
        if fleet.query(f"SELECT 1 FROM {service}.halt LIMIT 1")
    }


def _repair(fleet: Fleet) -> str:
    """Run the command that operators run; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "halts", "repair", "--yes"],
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": fleet.kafka.bootstrap,
            "DATABASE_URL": fleet.database_url,
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _rating_ids(run: FaultRun) -> set[tuple[str, str]]:
    rows = run.fleet.query(
        "SELECT rating_id, practice_id FROM detector.rating WHERE practice_id = ANY(%s)", list(run.practices)
    )
    return {(str(rating), str(practice)) for rating, practice in rows}


@row(backend="Kafka", scaled=240, full=2_000)
def test_log_end_lost_while_running(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """Kafka comes back with an older volume while the services run."""
    fleet, third = fault_run.fleet, -(-len(fault_run.ratings) // 3)
    # One practice's ratings are in the log of history, which loses its end, too.
    fault_run.historical = frozenset(fault_run.practices[1:])
    with fault_run.sending(fault_run.ratings[:third]):
        pass
    fault_run.wait_until_at_rest()
    fleet.kafka.stop()
    shutil.copytree(fleet.kafka.folder, tmp_path / "older")
    fleet.kafka.start()
    before = _rating_ids(fault_run)
    with fault_run.sending(fault_run.ratings[third : 2 * third]):
        pass
    fault_run.wait_until_at_rest()
    in_lost_part = _rating_ids(fault_run) - before
    fault_run.keep_log()
    _restore_volume(fleet, tmp_path / "older")
    with fault_run.sending(fault_run.ratings[2 * third :]):
        pass
    wait(lambda: "detector" in _halts(fleet), "the halt", DEADLINE_S)
    printed = ""

    def is_repaired() -> bool:
        nonlocal printed
        if _halts(fleet):
            printed += _repair(fleet)
        return not _halts(fleet)

    wait(is_repaired, "the repair", DEADLINE_S)
    # What follows may show that another partition lost its end, too.
    fault_run.while_waiting = is_repaired
    fault_run.wait_until_at_rest()
    unnamed = [rating for rating, practice in in_lost_part if f"rating {rating} of {practice}" not in printed]
    assert unnamed == []
    return f"{len(in_lost_part)} stored ratings named as gone from the log"
