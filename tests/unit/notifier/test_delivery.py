"""A delivery goes only where its states allow."""

import pytest

from services.notifier.channels.registry import Channel
from services.notifier.domain.delivery import State, delivery_id, may_become, predecessors
from tests.support.detector.episodes import episode_named

OPEN = {State.PENDING, State.RETRYING}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("wanted", State)
def test_only_what_is_open_moves_and_what_left_in_spite_of_a_cancellation_is_sent(
    state: State, wanted: State
) -> None:
    allowed = (state in OPEN and wanted is not State.PENDING) or (state, wanted) == (
        State.CANCELLED,
        State.SENT,
    )
    assert may_become(state, wanted) == allowed


def test_a_failure_follows_only_what_was_open() -> None:
    assert set(predecessors(State.FAILED)) == {"pending", "retrying"}


def test_the_id_of_a_delivery_is_stable_and_its_own() -> None:
    episode = episode_named("one")
    keys = [(revision, channel) for revision in (1, 2) for channel in Channel]
    ids = {key: delivery_id(episode, *key) for key in keys}
    assert len(set(ids.values())) == len(keys)
    assert delivery_id(episode, 1, Channel.EMAIL) == ids[1, Channel.EMAIL]
