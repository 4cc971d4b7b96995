"""The fuse: whether each record could be processed in; a stop out, when bad ones run away.

A few bad records are set aside one by one. When nearly every record is bad, it is this program that is wrong,
and setting them all aside would only make a mess to clean up.
"""

from collections import deque
from collections.abc import Iterable

from services.runtime.process.errors import Halt
from services.runtime.process.settings import FuseSettings

_WINDOW = 1_000


class Fuse:
    """Counts records that could not be decoded or processed; rejections that the domain decides on do not."""

    def __init__(self, limits: FuseSettings) -> None:
        self._limits = limits
        self._window: deque[bool] = deque(maxlen=_WINDOW)
        self.in_a_row = 0
        self.in_window = 0

    def check(self, bad: Iterable[bool]) -> None:
        """Look ahead, before anything is committed: would these records, in order, blow it?

        Raises:
            Halt: they would; the message says what to do.
        """
        trial = Fuse(self._limits)
        trial._window.extend(self._window)
        trial.in_a_row, trial.in_window = self.in_a_row, self.in_window
        trial.add(bad)

    def add(self, bad: Iterable[bool]) -> None:
        """Count records, in order.

        Raises:
            Halt: too many are bad.
        """
        for one in bad:
            if len(self._window) == _WINDOW:
                self.in_window -= self._window[0]
            self._window.append(one)
            self.in_window += one
            self.in_a_row = self.in_a_row + 1 if one else 0
            if self.in_a_row >= self._limits.in_a_row:
                raise Halt(_advice(f"{self.in_a_row} records in a row could not be processed"))
            if self.in_window >= self._limits.of_last_1000:
                raise Halt(
                    _advice(
                        f"{self.in_window} of the last {len(self._window)} records could not be processed"
                    )
                )

    @property
    def share(self) -> float:
        """The share of bad records in the window."""
        return self.in_window / _WINDOW


def _advice(what: str) -> str:
    return (
        f"{what}: look at the newest rejections, correct the program or its input, and restart; to set them "
        "all aside, restart once with RAPPORT_FUSE_IN_A_ROW and RAPPORT_FUSE_OF_LAST_1000 raised"
    )
