"""Pauses between attempts double up to a cap, are jittered, and start again after a success."""

import random
from collections.abc import Callable

import pytest

from services.runtime.process.backoff import Backoff, backoff_pause_s


def longest(_low: float, high: float) -> float:
    """Draw the highest number of a range."""
    return high


def shortest(low: float, _high: float) -> float:
    """Draw the lowest number of a range."""
    return low


@pytest.mark.parametrize(
    ("draw", "pauses"),
    [(longest, [1, 2, 4, 8, 8]), (shortest, [0.5, 1, 2, 4, 4])],
    ids=["longest", "shortest"],
)
def test_pauses_double_to_the_cap_and_are_never_shorter_than_half(
    monkeypatch: pytest.MonkeyPatch, draw: Callable[[float, float], float], pauses: list[float]
) -> None:
    monkeypatch.setattr(random, "uniform", draw)
    backoff = Backoff(first_s=1, cap_s=8)

    assert pauses == [backoff.next_s() for _ in range(5)]


def test_after_a_success_pauses_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", longest)
    backoff = Backoff(first_s=1, cap_s=8)
    backoff.next_s()
    backoff.next_s()
    backoff.reset()

    assert backoff.next_s() == 1


def test_a_pause_after_very_many_failures_is_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", longest)

    assert backoff_pause_s(100_000, first_s=0.1, cap_s=15) == 15


def test_two_processes_that_failed_together_pause_differently() -> None:
    assert len({backoff_pause_s(9, first_s=1, cap_s=100) for _ in range(20)}) > 1
