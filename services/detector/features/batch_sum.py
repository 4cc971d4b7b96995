"""Numbers of many dyads in, their sum over all but the dyads out, in an order that no batch changes."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pairwise_sum(values: Floats) -> Floats:
    """The sum over the first axis; the last one is the dyads', none of which another's company changes.

    NumPy's own sum adds up in another order where an array is of one dyad only. Here halves are added, whole
    rows at a time, until one is left.
    """
    while len(values) > 1:
        half, odd = divmod(len(values), 2)
        rest = values[:half] + values[half : 2 * half]
        if odd:
            rest[0] += values[-1]
        values = rest
    total: Floats = values[0]
    return total
