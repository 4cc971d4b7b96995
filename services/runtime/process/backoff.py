"""Schedules the pauses between attempts: exponential back-off with jitter and a cap."""

from tenacity import RetryCallState, Retrying, wait_exponential, wait_random_exponential


def backoff_pause_s(failures: int, *, first_s: float, cap_s: float) -> float:
    """Return the seconds to pause after this many failures in a row (1 or more).

    The longest pause is `first_s` after the first failure and doubles with each further one up to `cap_s`.
    The result lies between half of the longest pause and the whole, at random, so that processes which
    failed together do not try again together.
    """
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = failures
    fixed_half = wait_exponential(multiplier=first_s / 2, max=cap_s / 2)
    random_half = wait_random_exponential(multiplier=first_s / 2, max=cap_s / 2)
    return (fixed_half + random_half)(state)


class Backoff:
    """Counts failures in a row and returns the pause after each."""

    def __init__(self, *, first_s: float = 0.1, cap_s: float = 15.0) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._failures = 0

    def next_s(self) -> float:
        """Count one more failure and return the seconds to pause."""
        self._failures += 1
        return backoff_pause_s(self._failures, first_s=self._first_s, cap_s=self._cap_s)

    def reset(self) -> None:
        """Start again with the first pause, after a success."""
        self._failures = 0
