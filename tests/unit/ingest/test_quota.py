"""Tokens come at their pace, and one practice takes nothing of another's."""

import pytest

from schemas.ids import PracticeId
from services.ingest.quota import NO_PRACTICE, Quotas, TokenBucket
from services.ingest.settings import IngestSettings

LOUD, CALM = PracticeId("loud"), PracticeId("calm")


class Time:
    """Seconds that tests move."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def time() -> Time:
    """Time zero."""
    return Time()


def test_a_full_bucket_gives_one_second_of_tokens_at_once(time: Time) -> None:
    bucket = TokenBucket(10, time)
    assert [bucket.take(1) for _ in range(10)] == [0.0] * 10
    assert bucket.take(1) == pytest.approx(0.1)


def test_waiting_as_long_as_told_is_enough(time: Time) -> None:
    bucket = TokenBucket(10, time)
    bucket.take(10)
    time.s += bucket.take(3)
    assert bucket.take(3) == 0.0


def test_a_refused_take_takes_nothing(time: Time) -> None:
    bucket = TokenBucket(10, time)
    bucket.take(9)
    assert bucket.take(2) > 0
    assert bucket.take(1) == 0.0


def test_tokens_do_not_pile_up_beyond_one_second(time: Time) -> None:
    bucket = TokenBucket(10, time)
    time.s += 1_000
    assert bucket.take(10) == 0.0
    assert bucket.take(1) > 0


def test_what_is_kept_is_left_to_others(time: Time) -> None:
    bucket = TokenBucket(10, time)
    assert bucket.take(8, keep=0.2) == 0.0
    assert bucket.take(1, keep=0.2) == pytest.approx(0.1)
    assert bucket.take(2) == 0.0


def test_more_than_a_full_bucket_is_lent_and_paid_back(time: Time) -> None:
    bucket = TokenBucket(10, time)
    assert bucket.take(25) == 0.0
    assert bucket.take(1) == pytest.approx(1.6)


def test_a_pace_below_one_a_second_still_lets_one_through(time: Time) -> None:
    bucket = TokenBucket(0.5, time)
    assert bucket.take(1) == 0.0
    assert bucket.take(1) == pytest.approx(2.0)


def test_heartbeats_take_no_room_of_a_practice(time: Time) -> None:
    quotas = Quotas(IngestSettings(max_unacknowledged=4), time)
    quotas.hand_over(NO_PRACTICE, 20)
    quotas.hand_over(LOUD, 2)
    assert (quotas.has_room(LOUD), quotas.has_room(CALM)) == (False, True)
    quotas.hand_over(CALM, 2)
    assert not quotas.has_room(CALM)


def test_one_practice_may_hold_half_of_the_bound(time: Time) -> None:
    quotas = Quotas(IngestSettings(max_unacknowledged=10), time)
    quotas.hand_over(LOUD, 5)
    assert (quotas.has_room(LOUD), quotas.has_room(CALM)) == (False, True)
    quotas.hand_over(CALM, 5)
    assert (quotas.has_room(CALM), quotas.unacknowledged) == (False, 10)
    quotas.settle(LOUD, 5)
    assert (quotas.has_room(LOUD), quotas.unacknowledged) == (True, 5)


async def test_room_is_waited_for_no_longer_than_said(time: Time) -> None:
    quotas = Quotas(IngestSettings(max_unacknowledged=1), time)
    quotas.hand_over(LOUD, 1)
    assert await quotas.wait_for_room(LOUD, 0.01) is False
    quotas.settle(LOUD, 1)
    assert await quotas.wait_for_room(LOUD, 0.01) is True
