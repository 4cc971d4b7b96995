"""A log that lost its end halts its readers; a repair names what it lost, and nothing accepted is lost."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from confluent_kafka.admin import AdminClient

from schemas.topics import EPISODE_CHANGED, LANES, THERAPIST_RESPONDED
from services.cli.demo.input_ratings import InputRating
from services.runtime.kafka.record import Record
from services.runtime.process.kill_points import KILLED_EXIT_CODE
from tests.support.backend import apply_topics
from tests.support.faults.courses import LOW, WELL, Courses
from tests.support.faults.fault_run import FaultRun, wait
from tests.support.faults.fleet import NOTIFIER, Fleet
from tests.support.faults.observed import log_ends, of_practices, read_log
from tests.support.faults.rows import Size, row

DEADLINE_S = 240.0


def _restore_volume(fleet: Fleet, older: Path) -> None:
    fleet.kafka.kill()
    shutil.rmtree(fleet.kafka.folder)
    shutil.copytree(older, fleet.kafka.folder)
    fleet.kafka.start()


def _readers(fleet: Fleet) -> tuple[str, ...]:
    return (*fleet.detectors, NOTIFIER)


def _make_topics_again(fleet: Fleet, _older: Path) -> None:
    for name in _readers(fleet):
        fleet.processes[name].stop()
    admin = AdminClient({"bootstrap.servers": fleet.kafka.bootstrap, "log_level": 0})
    names = [topic.name for topic in (*LANES, EPISODE_CHANGED, THERAPIST_RESPONDED)]
    for deleted in admin.delete_topics(names, operation_timeout=10).values():
        deleted.result(timeout=15)
    wait(lambda: not set(names) & set(admin.list_topics(timeout=5).topics), "the deletion", 30)
    apply_topics({"KAFKA_BOOTSTRAP_SERVERS": fleet.kafka.bootstrap})
    fleet.processes["ingest"].stop()
    for name in ("ingest", *_readers(fleet)):
        fleet.processes[name].start()


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


def _lose_the_end(
    run: FaultRun, folder: Path, lose: Callable[[Fleet, Path], None], *, from_the_start: bool = False
) -> str:
    fleet, third = run.fleet, -(-len(run.ratings) // 3)
    # One practice's ratings are in the log of history, which loses its end, too.
    run.historical = frozenset(run.practices[1:])
    broken_before = run.broken_invariants()
    with run.sending(run.ratings[:third]):
        pass
    run.wait_until_at_rest()
    fleet.kafka.stop()
    shutil.copytree(fleet.kafka.folder, folder / "older")
    fleet.kafka.start()
    before = _rating_ids(run)
    with run.sending(run.ratings[third : 2 * third]):
        pass
    run.wait_until_at_rest()
    in_lost_part = _rating_ids(run) - before
    run.keep_log(from_the_start=from_the_start)
    lose(fleet, folder / "older")
    with run.sending(run.ratings[2 * third :]):
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
    run.while_waiting = is_repaired
    run.wait_until_at_rest()
    unnamed = [rating for rating, practice in in_lost_part if f"rating {rating} of {practice}" not in printed]
    assert unnamed == []
    assert run.broken_invariants() == broken_before
    return f"{len(in_lost_part)} stored ratings named as gone from the log"


def _rating_ids(run: FaultRun) -> set[tuple[str, str]]:
    rows = run.fleet.query(
        "SELECT rating_id, practice_id FROM detector.rating WHERE practice_id = ANY(%s)", list(run.practices)
    )
    return {(str(rating), str(practice)) for rating, practice in rows}


@row(backend="Kafka", scaled=240, full=2_000)
def test_log_end_lost_while_running(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """Kafka comes back with an older volume while the services run."""
    return _lose_the_end(fault_run, tmp_path, _restore_volume)


@row(backend="Kafka", scaled=240, full=2_000)
def test_topics_made_again(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """Topics are deleted and created again."""
    return _lose_the_end(fault_run, tmp_path, _make_topics_again, from_the_start=True)


CHANGES = f"{EPISODE_CHANGED.name}-"
FALLING, LATER = 24, 48
"""Clients who fall where the log is lost, and more who fall while their changes wait."""
WAITING = """
SELECT partition, count(*) FROM detector.outbox WHERE topic = %s GROUP BY partition
"""


def _folders(kafka_folder: Path) -> list[Path]:
    return sorted(one for one in (kafka_folder / "data").iterdir() if one.name.startswith(CHANGES))


def _ends(fleet: Fleet) -> dict[int, int]:
    """Return the end of each partition of the log of changes."""
    ends = log_ends(fleet.kafka.bootstrap)
    return {number: end for (topic, number), end in ends.items() if topic == EPISODE_CHANGED.name}


def _changes(run: FaultRun) -> list[Record]:
    """Return the changes about the run's practices that the log holds."""
    _, published = of_practices(read_log(run.fleet.kafka.bootstrap, {}), frozenset(run.practices))
    return [one for one in published if one.topic == EPISODE_CHANGED.name]


def _kill_before_publishing(fleet: Fleet, name: str) -> None:
    """Have this detector alone store everything that is in the log of ratings, and die."""
    process = fleet.processes[name]
    # One transaction for all: with two, only what the first one stored would wait.
    process.start({"RAPPORT_KILL_AT": "after-commit-transaction", "DETECTOR_STRANDS": "1"})
    assert process.wait_end(DEADLINE_S) == KILLED_EXIT_CODE


@row(scaled=240, full=2_000, in_ci=False)
def test_log_end_lost_under_waiting_changes(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """The log of changes loses its end, and grows beyond it by what a killed detector had not published."""
    fleet, courses = fault_run.fleet, Courses(fault_run, "falling")
    falling, later = range(FALLING), range(FALLING, FALLING + LATER)
    broken_before = fault_run.broken_invariants()
    with fault_run.sending([*fault_run.ratings, *_each(courses, falling, [WELL] * 6)]):
        pass
    fault_run.wait_until_at_rest()
    # It has read what is lost later neither then nor now: only the detectors can know of it.
    fleet.processes[NOTIFIER].stop()
    fleet.kafka.stop()
    for folder in _folders(fleet.kafka.folder):
        shutil.copytree(folder, tmp_path / folder.name)
    fleet.kafka.start()
    with fault_run.sending(_each(courses, falling, [LOW], first=6)):
        pass
    fault_run.measure_recovery()
    fault_run.recoveries_s.clear()
    for name in fleet.detectors:
        fleet.processes[name].stop()
    ends, changes = _ends(fleet), _changes(fault_run)
    with fault_run.sending(
        [*_each(courses, falling, [LOW] * 2, first=7), *_each(courses, later, [WELL] * 6 + [LOW])]
    ):
        pass
    _kill_before_publishing(fleet, fleet.detectors[0])
    fleet.kafka.stop()
    for folder in _folders(fleet.kafka.folder):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / folder.name, folder)
    fleet.kafka.start()
    left = _ends(fleet)
    lost = [one for one in changes if one.offset >= left[one.partition]]
    found = fleet.query(WAITING, EPISODE_CHANGED.name)
    waiting = {int(str(number)): int(str(count)) for number, count in found}
    grown = {number for number, count in waiting.items() if left[number] + count >= ends[number]}
    hidden = [one for one in lost if one.partition in grown]
    assert hidden, f"no log would grow beyond what it lost: {lost} lost, {waiting} waiting"
    for name in _readers(fleet):
        fleet.processes[name].start()
    fault_run.measure_recovery()
    fault_run.wait_until_at_rest()
    assert fault_run.broken_invariants() == broken_before
    return f"{len(lost)} changes lost, {len(hidden)} of them where the log grew beyond its old end"


def _each(courses: Courses, clients: range, marks: list[int], *, first: int = 0) -> list[InputRating]:
    return [rating for client in clients for rating in courses.of(client, marks, first=first)]
