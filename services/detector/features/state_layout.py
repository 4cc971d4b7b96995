"""Named parts of a dyad's state: one row of numbers a dyad, each of which fits in a float32 of a snapshot."""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StateLayout:
    """Where each part of a state row begins; parts follow one another in the order of their names.

    A part on its own has the dyads along its last axis: what is done to it then runs through memory in order.
    """

    names: tuple[str, ...]
    widths: tuple[int, ...]

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return sum(self.widths)

    def split(self, state: Floats) -> dict[str, Floats]:
        """Each part, (width of the part, n), of a state (n, width)."""
        turned = np.ascontiguousarray(state.T)
        ends = list(accumulate(self.widths))
        return {
            name: turned[end - width : end]
            for name, width, end in zip(self.names, self.widths, ends, strict=True)
        }

    def join(self, parts: dict[str, Floats]) -> Floats:
        """(n, width) a state of the given parts, in C order: float64 that a float32 can hold.

        Rounded at every step and not only when it is stored, so that going on from a snapshot and folding a
        history anew end in the same numbers.
        """
        rows = [parts[name].reshape(width, -1) for name, width in zip(self.names, self.widths, strict=True)]
        turned = np.concatenate(rows, dtype=np.float32, casting="same_kind")
        return np.ascontiguousarray(turned.T, dtype=np.float64)
