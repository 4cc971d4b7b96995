"""Killing a service in the middle of a stream and starting it again ends in the same table."""

from typing import NamedTuple

import pytest

from services.cli.demo.input_ratings import InputRating, NetworkSize, simulate_ratings
from tests.support.backend import Backend, embedded_backend
from tests.support.postgres import fresh_database
from tests.support.service_stack import ServiceStack, running_stack

# The rows of kills in tests/faults prove more on a real Kafka.
pytestmark = pytest.mark.backends("embedded")


class Ending(NamedTuple):
    """What does not depend on when who was alive."""

    deliveries: dict[str, int]
    episodes: set[tuple[str, str, str]]
    """Client, the session at which the episode opened, and its state, of those that stand.

    A late rating can remove the reason of an episode. If both were read in one batch, there never was one;
    otherwise it stays in the table as withdrawn.
    """


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[InputRating]:
    """A small practice's ratings in sending order, invalid ones included."""
    size = NetworkSize(clients=30, sessions=10, practices=1, therapists=3)
    return simulate_ratings(size, 7, tmp_path_factory.mktemp("network"))[0]


@pytest.fixture(scope="module")
def undisturbed(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory, sent: list[InputRating]
) -> Ending:
    """How it ends when nothing happens to anyone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, folder) as stack,
    ):
        _send(stack, sent)
        return _ending(stack)


def _send(stack: ServiceStack, part: list[InputRating]) -> None:
    stack.send("north", [one.body for one in part])


def _ending(stack: ServiceStack) -> Ending:
    settled = stack.settled()
    episodes = {
        (one["client_id"], one["opened_session"], one["state"])
        for one in settled.episodes
        if one["state"] != "withdrawn"
    }
    return Ending({name: count for name, count in settled.balance.deliveries.items() if count}, episodes)


@pytest.mark.parametrize("victim", ["ingest", "detector", "notifier"])
def test_the_table_is_the_same_after_a_kill(
    backend: Backend,
    database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    sent: list[InputRating],
    undisturbed: Ending,
    victim: str,
) -> None:
    half = len(sent) // 2
    with running_stack(backend, database_url, tmp_path_factory.mktemp("killed")) as stack:
        _send(stack, sent[:half])
        stack.kill(victim)
        if victim == "ingest":
            stack.start(victim)
        _send(stack, sent[half:])
        if victim != "ingest":
            stack.start(victim)

        assert undisturbed == _ending(stack)


def test_sending_everything_twice_adds_duplicates_and_nothing_else(
    backend: Backend,
    database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    sent: list[InputRating],
    undisturbed: Ending,
) -> None:
    with running_stack(backend, database_url, tmp_path_factory.mktemp("twice")) as stack:
        _send(stack, sent)
        once = stack.settled()
        _send(stack, sent)
        twice = stack.settled()

        assert undisturbed.episodes == _ending(stack).episodes
        assert once.decisions == twice.decisions
        changed = twice.balance.minus(once.balance)
        assert {"duplicate": stack.report.accepted // 2} == {n: c for n, c in changed.deliveries.items() if c}
        assert changed.messages.total() == 0
