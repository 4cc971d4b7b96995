"""Sums over all axes but the dyads', in an order of additions that does not depend on the batch."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def pairwise_sum(values: Floats) -> Floats:
    """Return the sum over the first axis of values (terms, ..., n), shape (..., n), by pairwise summation.

    NumPy's own sum adds in another order when the array holds one dyad only, and then differs in the last
    digit. Here the two halves are added, whole rows at a time, until one row is left.

    >>> pairwise_sum(np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]))
    array([ 6., 60.])
    """
    while len(values) > 1:
        half, odd = divmod(len(values), 2)
        rest = values[:half] + values[half : 2 * half]
        if odd:
            rest[0] += values[-1]
        values = rest
    total: Floats = values[0]
    return total
