"""Fixtures of the fault tests: the size of the rows, the system that they break, and their ratings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.kafka.run import KafkaNode
from services.cli.demo.input_ratings import InputRating, NetworkSize, simulate_ratings
from tests.support.backend import real_backend
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import DETECTORS
from tests.support.faults.rows import ROWS, Size
from tests.support.faults.stack_pool import FleetPool, fleet_pool
from tests.support.final_state import FinalState, final_state
from tests.support.postgres import fresh_database
from tests.support.service_stack import ServiceStack, running_stack

PRACTICE = "north"


@pytest.fixture(scope="session")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[InputRating]:
    """A small practice: late, doubled, corrected, withdrawn and invalid ratings, in sending order."""
    size = NetworkSize(clients=20, sessions=10, practices=1, therapists=3)
    return simulate_ratings(size, 11, tmp_path_factory.mktemp("network"))[0]


@pytest.fixture(scope="session")
def undisturbed(
    kafka_node: KafkaNode,
    postgres_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    sent: list[InputRating],
) -> FinalState:
    """Return the final state of a run without any fault."""
    with (
        real_backend(kafka_node) as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, tmp_path_factory.mktemp("undisturbed")) as stack,
    ):
        add_therapists(stack, sent)
        send(stack, sent)
        state = final_state(stack, database)
    assert state.episodes, "no episode opened, so this input would prove nothing"
    assert {"assessed", "superseded", "duplicate"} <= state.deliveries.keys()
    return state


def add_therapists(stack: ServiceStack, sent: Sequence[InputRating]) -> None:
    """Add the therapists to the directory, so that mail is sent, too."""
    for therapist in sorted({rating.body["therapist_id"] for rating in sent}):
        stack.client.put_therapist(PRACTICE, therapist, {"address": f"{therapist}@practice.example"})


def send(stack: ServiceStack, part: Sequence[InputRating]) -> None:
    """Send ratings in order in one batch request."""
    stack.send(PRACTICE, [rating.body for rating in part])


PRACTICES = 2
Simulated = dict[tuple[int, int], list[InputRating]]


@pytest.fixture(scope="session")
def size(request: pytest.FixtureRequest) -> Size:
    """Return the size at which rows run."""
    return Size(is_full=request.config.getoption("full_faults"))


@pytest.fixture(scope="session")
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
    if run.report.violations or not run.report.assessments:
        fleets.discard()
