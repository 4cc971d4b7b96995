"""Back-off: failures in a row in, the length of the next pause out: longer each time, with jitter, capped."""

import random
from collections.abc import Callable


class Backoff:
    """Pauses of `first_s`, doubling to `cap_s`, each drawn between half of it and the whole."""

    def __init__(
        self, *, first_s: float = 0.1, cap_s: float = 15.0, draw: Callable[[], float] = random.random
    ) -> None:
        self._first_s = first_s
        self._cap_s = cap_s
        self._draw = draw
        self.failures = 0

    def next_s(self) -> float:
        """How long to wait after one more failure."""
        whole = min(self._cap_s, self._first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return whole * (0.5 + self._draw() / 2)

    def reset(self) -> None:
        """Something worked."""
        self.failures = 0
