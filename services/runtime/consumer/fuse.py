"""Halts a partition when too many records cannot be processed.

A few bad records are rejected one by one. When nearly every record is bad, the fault is probably in this
program, and rejecting them all would have to be undone by hand.
"""

from collections import deque
from collections.abc import Iterable

from services.runtime.process.errors import Halt
from services.runtime.process.settings import FuseSettings

_WINDOW = 1_000


class FuseBlown(Halt):
    """Too many records could not be processed; `at` is the index of the one that was too many."""

    def __init__(self, problem: str, *, at: int, in_a_row: int, share: float) -> None:
        super().__init__(problem)
        self.at = at
        self.in_a_row = in_a_row
        self.share = share


class Fuse:
    """Counts records that could not be decoded or processed; rejections by the domain do not count."""

    def __init__(self, limits: FuseSettings) -> None:
        self._limits = limits
        self._window: deque[bool] = deque(maxlen=_WINDOW)
        self.in_a_row = 0
        self.in_window = 0

    def check(self, bad: Iterable[bool]) -> None:
        """Check, before a commit, whether these records would blow the fuse; count nothing.

        Raises:
            FuseBlown: they would.
        """
        trial = Fuse(self._limits)
        trial._window.extend(self._window)
        trial.in_a_row, trial.in_window = self.in_a_row, self.in_window
        trial.add(bad)

    def add(self, bad: Iterable[bool]) -> None:
        """Count records in order; True stands for a bad one.

        Raises:
            FuseBlown: too many are bad.
        """
        for index, is_bad in enumerate(bad):
            if len(self._window) == _WINDOW:
                self.in_window -= self._window[0]
            self._window.append(is_bad)
            self.in_window += is_bad
            self.in_a_row = self.in_a_row + 1 if is_bad else 0
            if self.in_a_row >= self._limits.in_a_row:
                raise self._blown(f"{self.in_a_row} records in a row could not be processed", index)
            if self.in_window >= self._limits.of_last_1000:
                raise self._blown(
                    f"{self.in_window} of the last {len(self._window)} records could not be processed", index
                )

    @property
    def share(self) -> float:
        """The share of bad records among the last 1,000."""
        return self.in_window / _WINDOW

    def _blown(self, problem: str, at: int) -> FuseBlown:
        return FuseBlown(problem, at=at, in_a_row=self.in_a_row, share=self.share)
