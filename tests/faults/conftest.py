"""What the fault tests send, and how it ends when nothing happens to anyone."""

from collections.abc import Sequence

import pytest

from deploy.kafka.run import KafkaNode
from services.cli.demo.input_ratings import InputRating, NetworkSize, simulate_ratings
from tests.support.backend import real_backend
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
    """How it ends when nothing happens to anyone."""
    with (
        real_backend(kafka_node) as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, tmp_path_factory.mktemp("undisturbed")) as stack,
    ):
        introduce(stack, sent)
        send(stack, sent)
        found = final_state(stack, database)
    assert found.episodes, "nothing opened: this input would prove nothing"
    assert {"assessed", "superseded", "duplicate"} <= found.deliveries.keys()
    return found


def introduce(stack: ServiceStack, sent: Sequence[InputRating]) -> None:
    """Put the therapists into the directory, so that mail is sent too."""
    for therapist in sorted({one.body["therapist_id"] for one in sent}):
        stack.client.put_therapist(PRACTICE, therapist, {"address": f"{therapist}@practice.example"})


def send(stack: ServiceStack, part: Sequence[InputRating]) -> None:
    """Send ratings through the batch door, in their order."""
    stack.send(PRACTICE, [one.body for one in part])
