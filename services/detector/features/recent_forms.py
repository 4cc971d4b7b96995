"""Keeps the last rated forms of each client, from which a slow slide can be told from a sudden fall."""

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.observation import Observation

Floats = NDArray[np.float64]

EARLIER_FORMS = 7
"""Forms kept before the present one: the longest slide (6 sessions; Gumz et al. 2012) and one more."""
WIDTH = 3 * EARLIER_FORMS
"""Bond, goal and task of each, the newest first; 0 where there was none yet."""
_MOST_VARIANCE = 0.02
"""Upper bound of the measurement variance of a channel that the form hardly observes."""


def with_form(earlier: Floats, observation: Observation, baseline: Floats) -> Floats:
    """Return the present form followed by the earlier ones, shape (WIDTH + 3, n).

    A missing component is assumed to move with the level, around its baseline.

    Args:
        earlier: (WIDTH, n) from the state.
        observation: the present forms.
        baseline: (3, n) of bond, goal and task.
    """
    level = observation.channels[0]
    offset = baseline - pairwise_sum(baseline) / 3
    components = observation.components[:3]
    return np.concatenate([np.where(np.isnan(components), level + offset, components), earlier])


def next_earlier(earlier: Floats, recent: Floats, observation: Observation) -> Floats:
    """Return the earlier forms (WIDTH, n) of the next state; they stay where no form was given."""
    return np.where(observation.rated, recent[:WIDTH], earlier)


def observation_variance(session_noise: Floats, observation: Observation) -> Floats:
    """Return the variance (3, n) of each channel around the baseline in a stable session."""
    variance: Floats = session_noise + np.minimum(observation.noise, _MOST_VARIANCE)
    return variance
