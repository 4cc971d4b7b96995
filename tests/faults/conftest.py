"""The ratings that the fault tests send, and the final state without any fault."""

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
