"""Lays out the named parts of a dyad's state in one row of numbers, each of which fits into a float32."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StateLayout:
    """Names and widths of the parts of a state row, which follow one another in this order.

    A part by itself has the dyads along its last axis, so that operations on it run through memory in order.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]

    @property
    def width(self) -> int:
        """Return how many numbers a row has.

        >>> StateLayout(("mean", "noise"), (3, 2)).width
        5
        """
        return sum(self.widths)

    def split(self, state: Floats) -> dict[str, Floats]:
        """Return the parts, each (width of the part, n), of a state (n, width)."""
        transposed = np.ascontiguousarray(state.T)
        ends = list(accumulate(self.widths))
        return {
            name: transposed[end - width : end]
            for name, width, end in zip(self.names, self.widths, ends, strict=True)
        }

    def join(self, parts: dict[str, Floats]) -> Floats:
        """Return the state (n, width) of these parts in C order: float64 numbers that a float32 can hold.

        They are rounded at every step, not only when stored, so that continuing from a snapshot and folding a
        history again give the same numbers.
        """
        rows = [parts[name].reshape(width, -1) for name, width in zip(self.names, self.widths, strict=True)]
        transposed = np.concatenate(rows, dtype=np.float32, casting="same_kind")
        return np.ascontiguousarray(transposed.T, dtype=np.float64)
