"""A form's fit in, the evidence for a rupture out, made so that a lower level never weakens it.

The evidence is worked out at fixed rungs, from well over this client's usual level to far under it, for a
form of the same shape (the same contrasts); the greatest value at or above the form's own level then counts.
The rungs rest on the history only, so lowering a whole form moves along one and the same ladder.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.features_hypotheses import PATTERNS, Tables
from services.detector.features_update import Fit, greatest

Floats = NDArray[np.float64]

RUNGS = np.array([-1.5, -0.5, 0.25, 1.0, 1.75, 2.75, 4.0, 6.0])
"""How many standard deviations the level lies under the usual one."""
_TINY = 1e-12
_LEAST_CHANCE = 1e-200


def usual_level(fit: Fit) -> tuple[Floats, Floats]:
    """(n,) the level expected of a usual session, and its standard deviation."""
    return fit.expected[:, 0, 0], np.sqrt(fit.variance[:, 0, 0])


def evidence(tables: Tables, fit: Fit, below: Floats) -> tuple[Floats, Floats]:
    """Log-odds of a rupture and expected fall of the level, at `below` (n,) deviations under usual.

    Both never fall as `below` rises.
    """
    centre, spread = usual_level(fit)
    weight, expected = _grouped(tables, fit)
    level = centre[:, None] - RUNGS * spread[:, None]
    # One array for all of it: it is the largest there is, and what fits into the processor's cache is fast.
    log = level[:, :, None, None] - expected[:, None]
    log *= log
    log *= (-0.5 / fit.variance[:, :, :1])[:, None]
    log -= log.reshape(*level.shape, -1).max(axis=2)[:, :, None, None]
    np.exp(log, out=log)
    log *= weight[:, None]
    joined = log[:, :, 0] + log[:, :, 1]
    total = joined.sum(axis=2)
    ruptures = np.ascontiguousarray(joined[:, :, 1 : 1 + tables.groups])
    rupture = ruptures.sum(axis=2)
    fall = (ruptures * tables.group_shift).sum(axis=2) / total
    odds = np.log((rupture + _TINY * total) / (total - rupture + _TINY * total))
    return along(odds, below), along(fall, below)


def _grouped(tables: Tables, fit: Fit) -> tuple[Floats, Floats]:
    """Explanations that lower the level alike, as one: (n, 2, g) weights and (n, 2, g) expected levels.

    Usual first, then ruptures, then bad days; components that fell differ by the contrasts, which are weighed
    here and the same on all rungs.
    """
    h = tables.hypotheses
    each = fit.contrast_log - greatest(fit.contrast_log)[:, None, None]
    np.exp(each, out=each)
    each *= fit.weight[:, None]
    usual = np.repeat(fit.expected[:, None, :1, 0], 2, axis=1)
    weight = _by_size(tables, each[:, :, 1:h])
    level = _by_size(tables, each[:, :, 1:h] * fit.expected[:, None, 0, 1:h])
    return (
        np.concatenate([each[:, :, :1], weight, _by_size(tables, each[:, :, h:])], axis=2),
        np.concatenate(
            [usual, level / np.maximum(weight, _LEAST_CHANCE), usual - tables.group_shift], axis=2
        ),
    )


def _by_size(tables: Tables, values: Floats) -> Floats:
    """(n, 2, sizes x depths) sums over the patterns of one, of two and of three components."""
    of = values.reshape(values.shape[0], 2, len(PATTERNS), tables.depths)
    one = of[:, :, 0] + of[:, :, 1] + of[:, :, 2]
    two = of[:, :, 3] + of[:, :, 4] + of[:, :, 5]
    return np.concatenate([one, two, of[:, :, 6]], axis=2)


def along(rungs: Floats, below: Floats) -> Floats:
    """(n,) values between the rungs (n, rungs), after each is raised to the greatest one above it."""
    raised = np.maximum.accumulate(rungs, axis=1)
    at = np.clip(below, RUNGS[0], RUNGS[-1])
    left = np.clip(np.searchsorted(RUNGS, at, side="right") - 1, 0, RUNGS.size - 2)
    rows = np.arange(at.size)
    low, high = raised[rows, left], raised[rows, left + 1]
    share = (at - RUNGS[left]) / (RUNGS[left + 1] - RUNGS[left])
    value: Floats = np.minimum(low + (high - low) * share, high)
    return value
