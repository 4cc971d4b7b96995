"""The last rated forms and one more in, the last of them out: what tells a slide from a sudden fall."""

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.observation import Observation

Floats = NDArray[np.float64]

KEPT = 7
"""Forms before the present one: as long as the longest slide (6 sessions; Gumz 2012) and one before it."""
WIDTH = 3 * KEPT
"""Bond, goal and task of each, the newest first; 0 where there was none yet."""
_MOST_VARIANCE = 0.02
"""Of a channel that the form says little about; no more is known of it than of any client's."""


def with_form(trail: Floats, seen: Observation, usual: Floats) -> Floats:
    """(WIDTH + 3, n): the present form before the kept ones (WIDTH, n).

    A missing component is taken to move with the level, around what is usual (3, n) for it.
    """
    level = seen.channels[0]
    apart = usual - pairwise_sum(usual) / 3
    parts = seen.components[:3]
    return np.concatenate([np.where(np.isnan(parts), level + apart, parts), trail])


def kept(trail: Floats, whole: Floats, seen: Observation) -> Floats:
    """(WIDTH, n) of the next state: without the oldest form, and as it was where none was given."""
    return np.where(seen.rated, whole[:WIDTH], trail)


def wobble(session_noise: Floats, seen: Observation) -> Floats:
    """(3, n) variance of each channel from one form to the next, were nothing to happen."""
    noise: Floats = session_noise + np.minimum(seen.noise, _MOST_VARIANCE)
    return noise
