"""Finds the forms that a form with a component at its lowest mark may have been before it was lowered.

Lowering a whole form stops at the lowest mark, and the component that stops first changes the form's shape:
two components that fell, beside a third left standing, look less like a rupture than the third alone had
looked. So that lowering never lowers the risk, a form at the floor is given the risk of the riskiest form
that ends as it when lowered. See docs/decisions/0009-forms-at-the-floor.md.
"""

from functools import cache
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS

Floats = NDArray[np.float64]

_INDEX = {name: index for index, name in enumerate(FORM_COLUMNS)}
_MARKS = [_INDEX[name] for name in ("bond", "goal", "task", "overall")]
_LOWEST = 1e-9
_LEAST_BASELINE = 0.1
"""A client who always gives the lowest mark has not fallen to it."""
_RUNGS = np.arange(1, 21) / 20
"""Where the highest mark of a form may have been before: the same for a form and all it may be lowered to."""
_ITEM_SPREAD = 0.12
"""Assumed spread of the items of one component, for a form whose items are all at the lowest mark."""


def at_floor(columns: Floats, baseline: Floats) -> NDArray[np.bool_]:
    """Return which forms have a component at its lowest mark that is below the client's baseline, shape (n,).

    Args:
        columns: (n, columns) of `FORM_COLUMNS`.
        baseline: (n, 4) of bond, goal, task and overall; NaN where it is not known.
    """
    lowest = columns[:, _MARKS[:3]] <= _LOWEST
    fallen: NDArray[np.bool_] = lowest & (baseline[:, :3] > _LEAST_BASELINE)
    floor: NDArray[np.bool_] = np.any(fallen, axis=1)
    return floor


def possible_originals(form: Floats) -> Floats:
    """Return the forms within the scale that end as this one (columns,) when lowered, shape (m, columns)."""
    marks = form[_MARKS]
    directions = _directions(tuple((marks <= _LOWEST).tolist()))
    known = np.nan_to_num(marks)
    raised = [np.empty((0, 4))]
    for direction in directions:
        highest = known[direction == direction.max()].max()
        by = (_RUNGS[highest + _LOWEST < _RUNGS] - highest) / direction.max()
        raised.append(marks + by[:, None] * direction)
    originals = np.concatenate(raised)
    out = np.repeat(form[None], originals.shape[0], axis=0)
    out[:, _MARKS] = np.minimum(originals, 1.0)
    out[:, _INDEX["top"]] = 0.0
    added = _variance_between(originals[:, :3]) - _variance_between(marks[None, :3])
    own = max(float(form[_INDEX["spread"]]) ** 2, _ITEM_SPREAD**2)
    out[:, _INDEX["spread"]] = np.sqrt(np.maximum(own + added, 0.0))
    return out


@cache
def _directions(stopped: tuple[bool, ...]) -> Floats:
    """Return the directions (m, 4) in which a form may be raised; at least one stopped component stays."""
    components = [place for place in range(3) if stopped[place]]
    choices = chain.from_iterable(combinations(components, size) for size in range(len(components)))
    directions = []
    for raised in choices:
        direction = [0.0 if stopped[place] and place not in raised else 1.0 for place in range(4)]
        # An overall mark that has stopped as well moves with the mean of the others.
        if stopped[3]:
            direction[3] = sum(direction[:3]) / 3
        if any(direction):
            directions.append(direction)
    return np.array(directions).reshape(-1, 4)


def _variance_between(components: Floats) -> Floats:
    """Return the variance of the given components (m, 3) among themselves, shape (m,)."""
    given = ~np.isnan(components)
    count = np.maximum(given.sum(axis=1), 1)
    mean = np.where(given, components, 0.0).sum(axis=1) / count
    gap = np.where(given, components - mean[:, None], 0.0)
    variance: Floats = (gap * gap).sum(axis=1) / count
    return variance
