"""A PostgreSQL that is killed, away, slow, locked, full or refuses delays ratings and loses none."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import Fleet
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


@row(backend=BACKEND, scaled=240, full=2_000, in_ci=False)
def test_database_away(fault_run: FaultRun, size: Size) -> str:
    """The database is away for a minute: first stopped, then silent behind a cut link."""
    away_s = size.pick(6, 60)
    fleet = fault_run.fleet
    with fault_run.sending(slices=3) as gate:
        fleet.postgres.stop()
        gate.release()
        fault_run.let_pass(away_s)
        fleet.postgres.start()
        fault_run.measure_recovery()
        fleet.link.is_cut = True
        try:
            gate.release()
            fault_run.let_pass(away_s)
        finally:
            fleet.link.is_cut = False
        fault_run.measure_recovery()
    return f"twice {away_s} s"


@row(backend=BACKEND, scaled=240, full=2_000, in_ci=False)
def test_database_slow(fault_run: FaultRun, size: Size) -> str:
    """Every answer of the database takes 30 milliseconds longer, as with a disk or a network at its limit."""
    with fault_run.sending():
        fault_run.fleet.link.delay_s = 0.015
        try:
            fault_run.wait_sent(len(fault_run.ratings), 300)
            fault_run.measure_recovery()
        finally:
            fault_run.fleet.link.delay_s = 0.0
    return "all ratings under it"


def _end_connections(fleet: Fleet) -> None:
    """End the services' connections, so that they have to connect again."""
    fleet.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename <> 'postgres' AND backend_type = 'client backend'"
    )


@contextmanager
def _all_connections_taken(fleet: Fleet) -> Iterator[int]:
    with ExitStack() as taken:
        _end_connections(fleet)
        count = 0
        with suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(fleet.database_url, connect_timeout=5))
                count += 1
        yield count


@row(backend=BACKEND, scaled=240, full=2_000, in_ci=False)
def test_database_out_of_connections(fault_run: FaultRun, size: Size) -> str:
    """Other programs take every connection of the database."""
    fleet, taken_s = fault_run.fleet, size.pick(5, 60)
    with fault_run.sending(slices=2) as gate:
        with _all_connections_taken(fleet) as count:
            gate.release()
            fault_run.let_pass(taken_s)
        fault_run.measure_recovery()
    return f"{count} connections taken for {taken_s} s"


@row(backend=BACKEND, scaled=240, full=2_000, in_ci=False)
def test_database_read_only(fault_run: FaultRun, size: Size) -> str:
    """The database becomes read-only, as during a failover."""
    fleet, duration_s = fault_run.fleet, size.pick(5, 60)
    name = urlsplit(fleet.database_url).path[1:]
    with fault_run.sending(slices=2) as gate:
        fleet.query(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        try:
            _end_connections(fleet)
            gate.release()
            fault_run.let_pass(duration_s)
        finally:
            with psycopg.connect(fleet.postgres.url, autocommit=True) as admin:
                admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
            # Those that began while it was read-only stay so.
            _end_connections(fleet)
        fault_run.measure_recovery()
    return f"for {duration_s} s"


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
