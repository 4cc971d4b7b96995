"""A form's fit in, the evidence for a rupture out, made so that a lower level never weakens it.

The evidence is worked out at fixed rungs, from well over this client's usual level to far under it, for a
form of the same shape (the same contrasts); the greatest value at or above the form's own level then counts.
The rungs rest on the history only, so lowering a whole form moves along one and the same ladder.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.filter_update import Likelihood
from services.detector.features.hypotheses import PATTERNS, HypothesisTables

Floats = NDArray[np.float64]

RUNGS = np.array([-1.5, -0.5, 0.25, 1.0, 1.75, 2.75, 4.0, 6.0])
"""How many standard deviations the level lies under the usual one."""
_TINY = 1e-12
_LEAST_CHANCE = 1e-200


def baseline_level(fit: Likelihood) -> tuple[Floats, Floats]:
    """(n,) the level expected of a usual session, and its standard deviation."""
    return fit.expected[0, 0], np.sqrt(fit.variance[0, 0])


def rupture_evidence(tables: HypothesisTables, fit: Likelihood, below: Floats) -> tuple[Floats, Floats]:
    """Log-odds of a rupture and expected fall of the level, at `below` (n,) deviations under usual.

    Both never fall as `below` rises.
    """
    centre, spread = baseline_level(fit)
    weight, expected = _grouped(tables, fit)
    precision = -0.5 * fit.precision[:, 0, None]
    odds, fall = np.empty((RUNGS.size, below.size)), np.empty((RUNGS.size, below.size))
    # One rung after the other: what one of them needs fits into the processor's cache.
    log = np.empty_like(expected)
    for at, rung in enumerate(RUNGS):
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
        fall[at] = pairwise_sum(ruptures * tables.group_shift[:, None]) / total
        odds[at] = np.log((rupture + _TINY * total) / (total - rupture + _TINY * total))
    return along(odds, below), along(fall, below)


def _grouped(tables: HypothesisTables, fit: Likelihood) -> tuple[Floats, Floats]:
    """Explanations that lower the level alike, as one: (2, g, n) weights and (2, g, n) expected levels.

    Usual first, then ruptures, then bad days; components that fell differ by the contrasts, which are weighed
    here and the same on all rungs.
    """
    h = tables.hypotheses
    each = fit.contrast_log - fit.contrast_log.max(axis=(0, 1))
    np.exp(each, out=each)
    each *= fit.weight
    usual = np.repeat(fit.expected[None, 0, :1], 2, axis=0)
    weight = _by_size(tables, each[:, 1:h])
    level = _by_size(tables, each[:, 1:h] * fit.expected[0, 1:h])
    return (
        np.concatenate([each[:, :1], weight, _by_size(tables, each[:, h:])], axis=1),
        np.concatenate(
            [usual, level / np.maximum(weight, _LEAST_CHANCE), usual - tables.group_shift[:, None]], axis=1
        ),
    )


def _by_size(tables: HypothesisTables, values: Floats) -> Floats:
    """(2, sizes x depths, n) sums over the patterns of one, of two and of three components."""
    of = values.reshape(2, len(PATTERNS), tables.depths, -1)
    one = of[:, 0] + of[:, 1] + of[:, 2]
    two = of[:, 3] + of[:, 4] + of[:, 5]
    return np.concatenate([one, two, of[:, 6]], axis=1)


def along(rungs: Floats, below: Floats) -> Floats:
    """(n,) values between the rungs (rungs, n), after each is raised to the greatest one above it."""
    raised = np.maximum.accumulate(rungs)
    at = np.clip(below, RUNGS[0], RUNGS[-1])
    left = np.clip(np.searchsorted(RUNGS, at, side="right") - 1, 0, RUNGS.size - 2)
    dyads = np.arange(at.size)
    low, high = raised[left, dyads], raised[left + 1, dyads]
    share = (at - RUNGS[left]) / (RUNGS[left + 1] - RUNGS[left])
    value: Floats = np.minimum(low + (high - low) * share, high)
    return value
