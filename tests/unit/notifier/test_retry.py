"""When to try again: longer each time, never longer than the cap, never after the deadline."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from procrastinate.jobs import Job

from services.notifier.deliveries.retry_policy import BackOff, TryAgain

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the longest possible pause each time."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)


def test_waits_double_up_to_the_cap() -> None:
    patient = BackOff(first_s=10, cap_s=100)
    assert [patient.wait_s(attempts) for attempts in (1, 2, 3, 4, 5, 500)] == [10, 20, 40, 80, 100, 100]


def test_chance_shortens_a_wait_by_at_most_half(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, _high: low)

    assert BackOff(first_s=10, cap_s=100).wait_s(1) == 5


def test_the_next_try_lies_after_the_wait() -> None:
    patient = BackOff(first_s=10, cap_s=100)
    assert patient.next_try(NOW, 1) == NOW + timedelta(seconds=10)


@pytest.mark.parametrize(("asked_s", "pause_s"), [(0, 10), (9, 10), (60, 60), (10**9, 100)])
def test_a_receiver_gets_the_pause_it_asks_for_up_to_the_cap(asked_s: float, pause_s: float) -> None:
    patient = BackOff(first_s=10, cap_s=100)
    assert patient.next_try(NOW, 1, asked_s) == NOW + timedelta(seconds=pause_s)


def test_a_period_has_as_many_tries_as_its_pauses_allow() -> None:
    # Three quarters of 10, 20, 40, 80 and then 100 s: after 7.5, 22.5, 52.5, 112.5 and 187.5 s.
    patient = BackOff(first_s=10, cap_s=100)
    seconds = (7, 8, 52, 53, 113, 187, 188)
    assert [patient.tries_within(timedelta(seconds=one)) for one in seconds] == [1, 2, 3, 4, 5, 5, 6]


@pytest.mark.parametrize(("queue", "after"), [("webhook", "webhook-retries"), ("sign-in", "sign-in")])
def test_a_further_attempt_waits_where_it_holds_up_no_first_one(queue: str, after: str) -> None:
    job = Job(
        id=7, status="doing", queue=queue, lock="webhook/north", queueing_lock="d-1", task_name="deliver"
    )
    decision = BackOff(first_s=10, cap_s=100).get_retry_decision(exception=TryAgain(NOW), job=job)
    assert (decision.queue, decision.lock, decision.retry_at) == (after, "d-1", NOW)
