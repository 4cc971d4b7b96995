"""Computes the evidence for a rupture from a form's likelihood so that a lower level never weakens it.

The evidence is computed at fixed rungs, from well above this client's baseline level to far below it, for a
form of the same shape (the same contrasts); the greatest value at or above the form's own level then counts.
The rungs depend on the history only, so lowering a whole form moves along one and the same ladder.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.filter_update import Likelihood
from services.detector.features.hypotheses import PATTERNS, HypothesisTables

Floats = NDArray[np.float64]

RUNGS = np.array([-1.5, -0.5, 0.25, 1.0, 1.75, 2.75, 4.0, 6.0])
"""How many standard deviations the level is below the baseline."""
_FOR_ALL = 4
"""Rungs that are computed for every form. Few forms are so low that the others count for them, too."""
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
    weight, expected = _grouped(tables, likelihood)
    forms = _RungForms(*baseline_level(likelihood), weight, expected, likelihood.precision[:, 0])
    at = np.clip(below, RUNGS[0], RUNGS[-1])
    left = np.clip(np.searchsorted(RUNGS, at, side="right") - 1, 0, RUNGS.size - 2)
    # Rungs below the two that a form lies between do not count for it, and stay out of every maximum.
    evidence = np.full((2, RUNGS.size, below.size), -np.inf)
    evidence[:, :_FOR_ALL] = _at_rungs(tables, forms, RUNGS[:_FOR_ALL])
    low = np.nonzero(left + 1 >= _FOR_ALL)[0]
    if low.size:
        evidence[:, _FOR_ALL:, low] = _at_rungs(tables, forms.only(low), RUNGS[_FOR_ALL:])
    log_odds, expected_drop = (_interpolate(at_rungs, at, left) for at_rungs in evidence)
    return log_odds, expected_drop


class _RungForms(NamedTuple):
    """What the evidence of n forms is computed from at any rung; g groups of explanations, 2 kinds."""

    centre: Floats
    """(n,)"""
    spread: Floats
    """(n,)"""
    weight: Floats
    """(2, g, n)"""
    expected: Floats
    """(2, g, n)"""
    precision: Floats
    """(2, n)"""

    def only(self, rows: NDArray[np.intp]) -> "_RungForms":
        """Return the forms in these rows."""
        return _RungForms(*(part[..., rows] for part in self))


def _at_rungs(tables: HypothesisTables, forms: _RungForms, rungs: Floats) -> Floats:
    """Return the log-odds and the expected drop (2, rungs, n) of forms at these rungs."""
    precision = -0.5 * forms.precision[:, None]
    evidence = np.empty((2, rungs.size, forms.centre.size))
    # One rung after the other: the numbers of a single rung fit into the processor's cache.
    log = np.empty_like(forms.expected)
    for index, rung in enumerate(rungs):
        np.subtract(forms.centre - rung * forms.spread, forms.expected, out=log)
        log *= log
        log *= precision
        log -= log.max(axis=(0, 1))
        np.exp(log, out=log)
        log *= forms.weight
        joined = log[0] + log[1]
        ruptures = joined[1 : 1 + tables.groups]
        rupture = pairwise_sum(ruptures)
        total = rupture + joined[0] + pairwise_sum(joined[1 + tables.groups :])
        evidence[0, index] = np.log((rupture + _TINY * total) / (total - rupture + _TINY * total))
        evidence[1, index] = pairwise_sum(ruptures * tables.group_shift[:, None]) / total
    return evidence


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


def _interpolate(at_rungs: Floats, at: Floats, left: NDArray[np.intp]) -> Floats:
    """Interpolate values (rungs, n) at `at` (n,), after raising each to the greatest one above it.

    `left` (n,) is the rung at or above each.
    """
    raised = np.maximum.accumulate(at_rungs)
    forms = np.arange(at.size)
    low, high = raised[left, forms], raised[left + 1, forms]
    share = (at - RUNGS[left]) / (RUNGS[left + 1] - RUNGS[left])
    value: Floats = np.minimum(low + (high - low) * share, high)
    return value
