"""Lets ratings through at a pace, or in slices that a row releases one by one between its faults."""

import threading
import time
from collections.abc import Callable


class Gate:
    """Holds senders back until their next ratings are due; once opened it holds nobody back."""

    def __init__(self, *, slices: int = 1, rate: float | None = None) -> None:
        """Make a gate.

        Args:
            slices: the number of slices of each sender's ratings; the first is released at once.
            rate: how many ratings a second each sender may send (None: no limit).
        """
        self._slices = slices
        self._rate = rate
        self._released = 1
        self._opened = False
        self._changed = threading.Condition()

    def release(self) -> None:
        """Let the next slice through."""
        with self._changed:
            self._released += 1
            self._changed.notify_all()

    def open(self) -> None:
        """Let everything through, without a pause."""
        with self._changed:
            self._opened = True
            self._changed.notify_all()

    def waiting(self) -> Callable[[float, int], None]:
        """Return what a sender calls before each chunk, with the share of its ratings that it has sent so far
        and the size of the chunk; it returns when the chunk is due."""
        due = time.monotonic()

        def wait(share: float, count: int) -> None:
            nonlocal due
            with self._changed:
                self._changed.wait_for(lambda: self._opened or share < self._released / self._slices)
                if self._rate is not None:
                    # A sender that was held back may catch up on one second, and no more.
                    due = max(due, time.monotonic() - 1) + count / self._rate
                    self._changed.wait_for(lambda: self._opened, max(0.0, due - time.monotonic()))

        return wait
