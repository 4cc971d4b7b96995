"""A delivery goes only where its states allow."""

import pytest

from services.notifier.channels.channel import Channel
from services.notifier.domain.delivery import DeliveryState, delivery_id, may_become, predecessors
from tests.support.detector.episodes import episode_named

OPEN_STATES = {DeliveryState.PENDING, DeliveryState.RETRYING}


@pytest.mark.parametrize("state", DeliveryState)
@pytest.mark.parametrize("wanted", DeliveryState)
def test_only_what_is_open_moves_unless_it_left_in_spite_of_a_cancellation_or_an_operator_asks(
    state: DeliveryState, wanted: DeliveryState
) -> None:
    of_an_attempt = {*DeliveryState} - {DeliveryState.PENDING, DeliveryState.COMBINED}
    others = {
        (DeliveryState.CANCELLED, DeliveryState.SENT),
        (DeliveryState.PENDING, DeliveryState.COMBINED),
        (DeliveryState.FAILED, DeliveryState.PENDING),
    }
    allowed = (state in OPEN_STATES and wanted in of_an_attempt) or (state, wanted) in others
    assert may_become(state, wanted) == allowed


def test_a_failure_follows_only_what_was_open() -> None:
    assert set(predecessors(DeliveryState.FAILED)) == {"pending", "retrying"}


def test_the_id_of_a_delivery_is_stable_and_its_own() -> None:
    episode = episode_named("one")
    keys = [(revision, channel) for revision in (1, 2) for channel in Channel]
    ids = {key: delivery_id(episode, *key) for key in keys}
    assert len(set(ids.values())) == len(keys)
    assert delivery_id(episode, 1, Channel.EMAIL) == ids[1, Channel.EMAIL]
