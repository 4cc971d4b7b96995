"""Says how long to wait before a request is sent again, and when to give up."""

import random
import time
from collections.abc import Callable

from rapport_client.errors import Unavailable

GIVE_UP_S = 60.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
"""The longest pause of our own choice; a service may ask for a longer one."""


class Retries:
    """The attempts at one request, or at one part of a batch."""

    def __init__(self, give_up_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._give_up_s = give_up_s
        self._clock = clock
        self.progressed()

    def progressed(self) -> None:
        """Start anew: something was answered."""
        self._since = self._clock()
        self._next_s = FIRST_PAUSE_S

    def pause_s(self, asked_s: float | None) -> float:
        """Return the seconds to wait: what the service asked for, or a growing pause with jitter.

        Raises:
            Unavailable: the pause would end later than `give_up_s` after the last answer.
        """
        own_s = self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        self._next_s = min(2 * self._next_s, LONGEST_PAUSE_S)
        pause_s = own_s if asked_s is None else asked_s + own_s / 10
        if self._clock() - self._since + pause_s > self._give_up_s:
            raise Unavailable(f"No final answer within {self._give_up_s:.0f} s: send the same again later")
        return pause_s
