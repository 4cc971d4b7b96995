"""Each fault notifies people of its cause, once, in time; what is no fault notifies nobody."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from signal import SIGCONT, SIGSTOP, Signals

import pytest

from schemas.topics import SESSION_RATED
from services.cli.home import Home
from services.cli.local.child_process import ChildProcess
from tests.faults.test_bad_records import poison_of, write
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import INGEST, NOTIFIER, READY_DEADLINE_S, Fleet, role
from tests.support.faults.hostile_receivers import HostileMailServer
from tests.support.faults.hung_detector import WHILE
from tests.support.faults.observed import log_ends
from tests.support.faults.other_producers import write_ratings
from tests.support.faults.rows import Size, row
from tests.support.faults.sink_process import Sink
from tests.support.faults.told import SETTLE_S, broken, remains, tells, watched
from tests.support.monitoring import monitoring, wait

PROMETHEUS = "Prometheus, Kafka, PostgreSQL"
HOUR_S = 3_600
LIVE = 600
"""Ratings that are sent while something is broken."""
BUDGET_S = 150
"""How long the alerts on the budgets wait."""
FLOODED = 2
"""So few partitions get the poison that the fuse halts them."""
BETWEEN_RESTARTS_S = 180
IDLE_S = 1_200
LOW_MARK = 0.5
LATE = """
SELECT count(*) FILTER (WHERE arrived_at - accepted_at > interval '60 seconds'), count(*)
FROM notifier.change WHERE practice_id = ANY(%s)
"""

alerts_row = partial(row, backend=PROMETHEUS, scaled=LIVE, full=LIVE, in_ci=False)
pytestmark = pytest.mark.monitoring


def page(name: str) -> set[tuple[str, str]]:
    """Return the alert by which a person is paged."""
    return {(name, "page")}


@alerts_row()
def test_page_detectors_killed(fault_run: FaultRun, size: Size) -> str:
    """Who is told: all detectors are killed."""
    fleet = fault_run.fleet

    def kill() -> None:
        for name in fleet.detectors:
            fleet.processes[name].kill()

    with watched(fault_run) as seen:
        return tells(seen, page("ServiceDown"), broken(kill, partial(fleet.restart, fleet.detectors)))


@alerts_row()
def test_page_detectors_frozen(fault_run: FaultRun, size: Size) -> str:
    """Who is told: all detectors are frozen (SIGSTOP)."""
    fleet = fault_run.fleet

    def signal(number: Signals) -> None:
        for name in fleet.detectors:
            fleet.signal(name, number)

    with watched(fault_run) as seen:
        frozen = broken(partial(signal, SIGSTOP), partial(signal, SIGCONT))
        return tells(seen, page("ServiceDown"), frozen)


@alerts_row()
def test_page_detectors_hung(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """Who is told: all detectors run and stand still in the middle of a batch."""
    fleet, hang = fault_run.fleet, tmp_path / "hang"
    for name in fleet.detectors:
        fleet.processes[name].run_as("tests.support.faults.hung_detector")
    try:
        fleet.restart(fleet.detectors, {WHILE: str(hang)})
        with watched(fault_run) as seen:
            return tells(seen, page("ServiceDown"), broken(hang.touch, hang.unlink))
    finally:
        for name in fleet.detectors:
            fleet.processes[name].run_as("services.detector")
        fleet.restart(fleet.detectors)


@alerts_row(backend="Prometheus, PostgreSQL")
def test_page_detectors_shut_out(fault_run: FaultRun, size: Size) -> str:
    """Who is told: the database lets everybody in but the detectors, as after a mistake with a password."""
    fleet = fault_run.fleet
    roles = [role(name) for name in fleet.detectors]

    def let_in(right: str) -> None:
        for one in roles:
            fleet.query(f"ALTER ROLE {one} {right}")
        fleet.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)", roles)

    with watched(fault_run) as seen:
        shut_out = broken(partial(let_in, "NOLOGIN"), partial(let_in, "LOGIN"))
        return tells(seen, page("DatabaseUnreachable"), shut_out)


@alerts_row()
def test_page_broker_killed(fault_run: FaultRun, size: Size) -> str:
    """Who is told: the broker is killed and stays away."""
    kafka = fault_run.fleet.kafka
    with watched(fault_run) as seen:
        return tells(seen, page("KafkaUnreachable"), broken(kafka.kill, kafka.start))


@alerts_row(backend="Prometheus, PostgreSQL")
def test_page_database_stopped(fault_run: FaultRun, size: Size) -> str:
    """Who is told: the database is stopped."""
    postgres = fault_run.fleet.postgres
    with watched(fault_run) as seen:
        return tells(seen, page("DatabaseUnreachable"), broken(postgres.kill, postgres.start))


@alerts_row()
def test_page_no_model(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """Who is told: detectors start without a model."""
    fleet = fault_run.fleet

    def start_without() -> None:
        for name in fleet.detectors:
            fleet.processes[name].stop()
            fleet.processes[name].start({"DETECTOR_MODEL_DIR": str(tmp_path / "missing")})

    with watched(fault_run) as seen:
        without = broken(start_without, partial(fleet.restart, fleet.detectors))
        return tells(seen, page("ModelUnusable"), without)


@alerts_row()
def test_page_credentials_broken(fault_run: FaultRun, size: Size) -> str:
    """Who is told: the file of keys is cut off in the middle."""
    file = fault_run.fleet.home.credentials
    content = file.read_bytes()
    with watched(fault_run) as seen:
        cut = broken(
            partial(file.write_bytes, content[: len(content) // 2]), partial(file.write_bytes, content)
        )
        return tells(seen, page("CredentialsUnreadable"), cut)


@alerts_row()
def test_page_poison_flood(fault_run: FaultRun, size: Size) -> str:
    """Who is told: a flood of records that nobody can read, until an operator has them set aside."""
    fleet = fault_run.fleet
    poison = poison_of(SESSION_RATED.name, fault_run.practices[0], each_field=False)

    def flood() -> None:
        places = ((SESSION_RATED.name, number % FLOODED, one) for number, one in enumerate(poison))
        write(fleet.kafka.bootstrap, places)

    def set_aside() -> None:
        for partition, first in fleet.query("SELECT partition, next_offset FROM detector.halt"):
            last = log_ends(fleet.kafka.bootstrap)[SESSION_RATED.name, int(str(partition))] - 1
            words = [
                f"--topic={SESSION_RATED.name}",
                f"--partition={partition}",
                f"--from={first}",
                f"--to={last}",
            ]
            environment = {
                "DATABASE_URL": fleet.database_url, "KAFKA_BOOTSTRAP_SERVERS": fleet.kafka.bootstrap
            }  # fmt: skip
            subprocess.run(
                [sys.executable, "-m", "services.cli", "rejected", "set-aside", *words],
                env=os.environ | environment, check=True,
            )  # fmt: skip

    with watched(fault_run) as seen:
        # Afterwards it is true that many records were rejected.
        rejected = frozenset({("RecordsRejected", "ticket"), ("RecordsRejected", "page")})
        return tells(seen, page("ConsumerHalted"), broken(flood, set_aside), later=rejected)


def stop(fleet: Fleet) -> None:
    """Stop the detectors as an update does."""
    for name in fleet.detectors:
        fleet.processes[name].signal_stop()
    for name in fleet.detectors:
        fleet.processes[name].stop()


def start(fleet: Fleet) -> None:
    """Start the detectors again."""
    for name in fleet.detectors:
        fleet.processes[name].start()
    for name in fleet.detectors:
        fleet.processes[name].wait_ready(READY_DEADLINE_S)


@alerts_row(scaled=50_000, full=50_000)
def test_silence_backlog(fault_run: FaultRun, size: Size) -> str:
    """Who is told: detectors are updated while 50,000 ratings arrive, and work off the backlog."""
    fleet = fault_run.fleet
    with watched(fault_run, LIVE) as seen:
        stop(fleet)
        number = write_ratings(fault_run, fault_run.ratings[LIVE:])
        start(fleet)
        behind = max(fault_run.measure_recovery(), fault_run.measure_recovery(NOTIFIER))
        FaultRun.let_pass(SETTLE_S + BUDGET_S)
        late, changes = (int(str(one)) for one in fleet.query(LATE, list(fault_run.practices))[0])
        # The only page that is true here: the promise of a minute was not kept.
        assert seen.told() <= (page("ToldTooLate") if late else set())
    return (
        f"{number:,} ratings, worked off in {behind:.0f} s, {late} of {changes} changes later than a minute;"
        f" {'one page: ToldTooLate' if seen.told() else 'nobody'}"
    )


@alerts_row(longest_s=3 * HOUR_S)
def test_ticket_mail_away(fault_run: FaultRun, size: Size) -> str:
    """Who is told: the mail server is away for longer than half an hour."""
    fleet = fault_run.fleet
    mail = HostileMailServer(Sink(fleet.sinks))
    with mail.running():
        fleet.restart([NOTIFIER], {"NOTIFIER_SMTP_PORT": str(mail.port)})
        try:
            with watched(fault_run) as seen:
                away = broken(mail.stop, mail.start)
                return tells(seen, {("DeliveryFailing", "ticket")}, away, within_s=HOUR_S)
        finally:
            fleet.restart([NOTIFIER])


@alerts_row(scaled=2_400, full=2_400, longest_s=3 * HOUR_S)
def test_ticket_drift(fault_run: FaultRun, size: Size) -> str:
    """Who is told: all clients of two practices rate far lower than those the model was trained on."""
    low = [
        replace(one, body={**one.body, "instrument": "srs", "items": [LOW_MARK] * 4})
        for one in fault_run.ratings[LIVE:]
        if one.expected == "accepted"
    ]
    with watched(fault_run, LIVE) as seen:
        with fault_run.sending(low):
            pass
        expected = {("ModelDrift", "ticket")}
        after_s = wait(lambda: expected <= seen.told(), "ModelDrift", 1.5 * HOUR_S)
        remains(seen, expected)
    return f"ModelDrift after {after_s / 60:.0f} minutes and nothing else"


@alerts_row(scaled=2_400, full=2_400, longest_s=2 * HOUR_S)
def test_silence_restarts(fault_run: FaultRun, size: Size) -> str:
    """Who is told: each service in turn is restarted every few minutes for an hour."""
    fleet, restarts, began = fault_run.fleet, 0, time.monotonic()
    names = cycle((*fleet.detectors, NOTIFIER, INGEST))
    with watched(fault_run) as seen:
        while time.monotonic() - began < HOUR_S:
            fleet.restart([next(names)])
            restarts += 1
            remains(seen, set(), BETWEEN_RESTARTS_S)
    return f"{restarts} restarts, nobody"


@alerts_row(backend="Prometheus, embedded", scaled=0, full=0, longest_s=2 * HOUR_S)
def test_silence_idle(size: Size, tmp_path: Path) -> str:
    """Who is told: a system that was just installed (`rapport up`) waits for its first rating."""
    words = ["-m", "services.cli", "up"]
    # Not below pytest's folder: PostgreSQL runs as another user there, and another run takes that its rights.
    with tempfile.TemporaryDirectory(prefix="rapport-idle-") as folder:
        home = Home(Path(folder))
        up = ChildProcess("up", words, {"RAPPORT_HOME": folder}, tmp_path / "up.log", "")
        up.start()
        try:
            wait(lambda: home.running() is not None, "rapport up", READY_DEADLINE_S)
            running = home.running()
            assert running is not None
            urls = running.management_urls
            jobs = {INGEST: [urls["ingest"]], "detector": [urls["results"]], NOTIFIER: [urls["notifier"]]}
            with monitoring(jobs, tmp_path) as seen:
                remains(seen, set(), IDLE_S)
                assert seen.active() == set()
        finally:
            up.stop()
    return f"nobody in {IDLE_S / 60:.0f} minutes"
