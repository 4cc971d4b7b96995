"""Forms with a component at its lowest mark in, forms of which they may be what is left out.

Lowering a whole form stops at the lowest mark, and what stops first changes the form's shape: two components
that fell with the third left standing look less like a rupture than the third alone had looked. So that
lowering takes no risk away, a form at the floor is as risky as the riskiest form that, lowered, ends as it.
"""

from functools import cache
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS

Floats = NDArray[np.float64]

_AT = {name: place for place, name in enumerate(FORM_COLUMNS)}
_MARKS = [_AT[name] for name in ("bond", "goal", "task", "overall")]
_LOWEST = 1e-9
_LEAST_USUAL = 0.1
"""Who always marks the lowest has not fallen there."""
_RUNGS = np.arange(1, 21) / 20
"""Where the highest mark of a form may have been before: the same for a form and all that is left of it."""
_WITHIN = 0.12
"""Spread of the items of one component, for a form whose own are all alike at the lowest mark."""


def at_floor(columns: Floats, usual: Floats) -> NDArray[np.bool_]:
    """(n,) which forms (n, columns) have a component at its lowest mark where more is usual (n, 4)."""
    lowest = columns[:, _MARKS[:3]] <= _LOWEST
    fallen: NDArray[np.bool_] = lowest & (usual[:, :3] > _LEAST_USUAL)
    floor: NDArray[np.bool_] = np.any(fallen, axis=1)
    return floor


@cache
def _ways(stopped: tuple[bool, ...]) -> Floats:
    """(ways, 4) how much of it each mark is raised by; one stopped component at least stays where it is."""
    components = [place for place in range(3) if stopped[place]]
    some = chain.from_iterable(combinations(components, size) for size in range(len(components)))
    ways = []
    for raised in some:
        way = [0.0 if stopped[place] and place not in raised else 1.0 for place in range(4)]
        # An overall mark that has stopped as well goes with the mean of the others.
        if stopped[3]:
            way[3] = sum(way[:3]) / 3
        if any(way):
            ways.append(way)
    return np.array(ways).reshape(-1, 4)


def possible_originals(form: Floats) -> Floats:
    """(m, columns) forms within the scale of which this one (columns,) may be what is left."""
    marks = form[_MARKS]
    ways = _ways(tuple((marks <= _LOWEST).tolist()))
    known = np.nan_to_num(marks)
    some = [np.empty((0, 4))]
    for way in ways:
        highest = known[way == way.max()].max()
        by = (_RUNGS[highest + _LOWEST < _RUNGS] - highest) / way.max()
        some.append(marks + by[:, None] * way)
    lifted = np.concatenate(some)
    out = np.repeat(form[None], lifted.shape[0], axis=0)
    out[:, _MARKS] = np.minimum(lifted, 1.0)
    out[:, _AT["top"]] = 0.0
    apart = _between(lifted[:, :3]) - _between(marks[None, :3])
    own = max(float(form[_AT["spread"]]) ** 2, _WITHIN**2)
    out[:, _AT["spread"]] = np.sqrt(np.maximum(own + apart, 0.0))
    return out


def _between(parts: Floats) -> Floats:
    """(m,) variance of the components (m, 3) among themselves."""
    given = ~np.isnan(parts)
    count = np.maximum(given.sum(axis=1), 1)
    mean = np.where(given, parts, 0.0).sum(axis=1) / count
    gap = np.where(given, parts - mean[:, None], 0.0)
    variance: Floats = (gap * gap).sum(axis=1) / count
    return variance
