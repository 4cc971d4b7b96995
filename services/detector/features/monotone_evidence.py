"""Computes the evidence for a rupture from a form's likelihood so that a lower level never weakens it.

The evidence is computed at fixed rungs, from well above this client's baseline level to far below it, for a
form of the same shape (the same contrasts); the greatest value at or above the form's own level then counts.
The rungs depend on the history only, so lowering a whole form moves along one and the same ladder.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.filter_update import Likelihood
from services.detector.features.hypotheses import PATTERNS, HypothesisTables

Floats = NDArray[np.float64]

RUNGS = np.array([-1.5, -0.5, 0.25, 1.0, 1.75, 2.75, 4.0, 6.0])
"""How many standard deviations the level is below the baseline."""
_TINY = 1e-12
_LEAST_CHANCE = 1e-200


def baseline_level(likelihood: Likelihood) -> tuple[Floats, Floats]:
    """Return the level (n,) expected of a stable session, and its standard deviation (n,)."""
    return likelihood.expected[0, 0], np.sqrt(likelihood.variance[0, 0])


def rupture_evidence(
    tables: HypothesisTables, likelihood: Likelihood, below: Floats
) -> tuple[Floats, Floats]:
    """Return the log-odds of a rupture and the expected drop of the level, each (n,).

    Neither ever decreases as `below` increases.

    Args:
        tables: the filter's tables.
        likelihood: of the forms.
        below: (n,) how many standard deviations the level is below the baseline.
    """
    centre, spread = baseline_level(likelihood)
    weight, expected = _grouped(tables, likelihood)
    precision = -0.5 * likelihood.precision[:, 0, None]
    log_odds, expected_drop = np.empty((RUNGS.size, below.size)), np.empty((RUNGS.size, below.size))
    # One rung after the other: the numbers of a single rung fit into the processor's cache.
    log = np.empty_like(expected)
    for index, rung in enumerate(RUNGS):
        np.subtract(centre - rung * spread, expected, out=log)
        log *= log
        log *= precision
        log -= log.max(axis=(0, 1))
        np.exp(log, out=log)
        log *= weight
        joined = log[0] + log[1]
        ruptures = joined[1 : 1 + tables.groups]
        rupture = pairwise_sum(ruptures)
        total = rupture + joined[0] + pairwise_sum(joined[1 + tables.groups :])
        expected_drop[index] = pairwise_sum(ruptures * tables.group_shift[:, None]) / total
        log_odds[index] = np.log((rupture + _TINY * total) / (total - rupture + _TINY * total))
    return _interpolate(log_odds, below), _interpolate(expected_drop, below)


def _grouped(tables: HypothesisTables, likelihood: Likelihood) -> tuple[Floats, Floats]:
    """Merge explanations that lower the level alike; return weights (2, g, n) and expected levels (2, g, n).

    The stable one comes first, then ruptures, then bad days. Explanations of one group differ in which
    components fell, that is in the contrasts, which are weighed here and are the same on all rungs.
    """
    h = tables.hypotheses
    weights = likelihood.contrast_log - likelihood.contrast_log.max(axis=(0, 1))
    np.exp(weights, out=weights)
    weights *= likelihood.weight
    stable = np.repeat(likelihood.expected[None, 0, :1], 2, axis=0)
    weight = _by_size(tables, weights[:, 1:h])
    level = _by_size(tables, weights[:, 1:h] * likelihood.expected[0, 1:h])
    return (
        np.concatenate([weights[:, :1], weight, _by_size(tables, weights[:, h:])], axis=1),
        np.concatenate(
            [stable, level / np.maximum(weight, _LEAST_CHANCE), stable - tables.group_shift[:, None]],
            axis=1,
        ),
    )


def _by_size(tables: HypothesisTables, values: Floats) -> Floats:
    """Return sums over the patterns of one, of two and of three components, shape (2, sizes x depths, n)."""
    by_pattern = values.reshape(2, len(PATTERNS), tables.depths, -1)
    one = by_pattern[:, 0] + by_pattern[:, 1] + by_pattern[:, 2]
    two = by_pattern[:, 3] + by_pattern[:, 4] + by_pattern[:, 5]
    return np.concatenate([one, two, by_pattern[:, 6]], axis=1)


def _interpolate(at_rungs: Floats, below: Floats) -> Floats:
    """Interpolate values (rungs, n) at `below` (n,), after raising each to the greatest one above it."""
    raised = np.maximum.accumulate(at_rungs)
    at = np.clip(below, RUNGS[0], RUNGS[-1])
    left = np.clip(np.searchsorted(RUNGS, at, side="right") - 1, 0, RUNGS.size - 2)
    dyads = np.arange(at.size)
    low, high = raised[left, dyads], raised[left + 1, dyads]
    share = (at - RUNGS[left]) / (RUNGS[left + 1] - RUNGS[left])
    value: Floats = np.minimum(low + (high - low) * share, high)
    return value
