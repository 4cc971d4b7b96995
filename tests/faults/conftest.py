"""Fixtures of the fault tests: the size of the rows, the system that they break, and their ratings."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.demo.input_ratings import InputRating, NetworkSize, simulate_ratings
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import DETECTORS
from tests.support.faults.rows import ROWS, Size
from tests.support.faults.stack_pool import FleetPool, fleet_pool

PRACTICES = 2
Simulated = dict[tuple[int, int], list[InputRating]]


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    """Return the size at which rows run."""
    return Size(is_full=request.config.getoption("full_faults"))


@pytest.fixture(scope="package")  # idle, it would slow down what a session runs after the rows
def fleets(size: Size) -> Iterator[FleetPool]:
    """Return the system that rows share; it has a Kafka and a PostgreSQL of its own."""
    with fleet_pool(DETECTORS[: size.pick(2, 3)]) as pool:
        yield pool


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Return the ratings that were simulated so far, by their number and the sessions of each client."""
    return {}


@pytest.fixture
def fault_run(
    request: pytest.FixtureRequest,
    fleets: FleetPool,
    size: Size,
    simulated: Simulated,
    tmp_path: Path,
) -> Iterator[FaultRun]:
    """Return a run with practices and ratings of its own; the row's decorator checks it."""
    row = ROWS[request.function.__name__]
    wanted = (row.ratings(size), row.sessions)
    if wanted not in simulated:
        clients = -(-wanted[0] // row.sessions)
        network = NetworkSize(clients=clients, sessions=row.sessions, practices=PRACTICES, therapists=6)
        simulated[wanted] = simulate_ratings(network, 11, tmp_path)[0]
    name = request.function.__name__.removeprefix("test_").replace("_", "-")[:40]
    run = FaultRun(fleets.fleet(), tmp_path, simulated[wanted], name)
    run.prepare()
    yield run
    run.close()
    if run.discards_fleet or run.report.violations or not run.report.assessments:
        fleets.discard()
