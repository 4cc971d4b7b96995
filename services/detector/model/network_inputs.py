"""Turns forms and their practice's statistics into the inputs of the recurrent network.

Every input is a multiple of `INPUT_GRID`, so that sums of products with the network's weights are exact: they
depend neither on the batch nor on the order of additions of the processor's BLAS.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS
from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.observation import item_spread
from services.detector.features.practice_statistics import STATISTICS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FORM_INPUTS = (
    "rated",
    "declined",
    "level",
    "bond_contrast",
    "goal_contrast",
    "task_contrast",
    "bond_given",
    "goal_given",
    "task_given",
    "overall_given",
    "overall_contrast",
    "item_deviation",
    "item_freedom",
    "top",
    "all_alike",
    "step",
    "answered",
    "line",
)
"""Inputs of the form alone."""
CONTEXT_INPUTS = ("first_session", *(f"practice_{name}" for name in STATISTICS), "statistics_known")
"""Inputs that a form shares with any other form of the same session."""
FIRST_SESSION = CONTEXT_INPUTS.index("first_session")
INPUTS = FORM_INPUTS + CONTEXT_INPUTS
"""All inputs in the order of the network's weights, which must not change."""
LEVEL = INPUTS.index("level")
TOP = INPUTS.index("top")

INPUT_GRID = 2.0**-20
LARGEST_INPUT = 16.0
"""Inputs are clipped to this; no form of the catalogue's instruments comes near it."""

_INDEX = {name: index for index, name in enumerate(FORM_COLUMNS)}
_LEVEL_CENTRE, _LEVEL_SCALE = 0.78, 0.15
_LOWEST_LEVEL = 0.15
"""Lower levels are read as this one: training has next to none, and a network extrapolates at will."""
_CONTRAST_SCALE, _OVERALL_SCALE, _DEVIATION_SCALE, _FREEDOM_SCALE = 0.1, 0.08, 0.1, 9.0
_STEP_SCALE, _ANSWERED_SCALE = 0.1, 8.0
_LINE = 0.05
"""A scale of more than twenty steps is a line on which the client marks a point."""
_SAME = 1e-9
_CONTRAST_DIGITS = 9
"""Contrasts are rounded because marks are decimals: a form lowered as a whole keeps them to the last bit."""
_VARIANCE_DIGITS = 12
"""For the same reason; a variance of 0 must not become one of 1e-17."""
_LARGEST_STATISTIC = 4.0
"""Standard deviations from the mean of practices that a statistic counts at most."""


def form_inputs(columns: Floats) -> Floats:
    """Return the inputs of n forms alone, shape (n, `FORM_INPUTS`).

    >>> form = np.array([[0.78, 0.88, 0.68, np.nan, 12, 0.2, 0.0, 0.25, 0]])
    >>> form_inputs(form)[0, 4:6].round(3).tolist()
    [1.0, -1.0]

    Args:
        columns: (n, columns) of `FORM_COLUMNS`.
    """
    by_column = np.ascontiguousarray(columns.T)
    components, overall = by_column[:3], by_column[_INDEX["overall"]]
    answered, spread, top, step = (by_column[_INDEX[name]] for name in ("answered", "spread", "top", "step"))
    given, overall_given = ~np.isnan(components), ~np.isnan(overall)
    count = given.sum(axis=0)
    mean = pairwise_sum(np.where(given, components, 0.0)) / np.maximum(count, 1)
    rated = (count > 0) | overall_given
    level = np.where(count > 0, mean, np.where(overall_given, overall, _LEVEL_CENTRE))
    variance, freedom = item_spread(components, answered, spread)
    shown = freedom > 0
    inputs = np.empty((len(FORM_INPUTS), rated.size))
    inputs[0] = rated
    inputs[1] = by_column[_INDEX["declined"]] > 0
    inputs[LEVEL] = (np.maximum(level, _LOWEST_LEVEL) - _LEVEL_CENTRE) / _LEVEL_SCALE
    inputs[3:6] = np.where(given, np.round(components - level, _CONTRAST_DIGITS), 0.0) / _CONTRAST_SCALE
    inputs[6:9] = given
    inputs[9] = overall_given
    inputs[10] = np.where(overall_given, np.round(overall - level, _CONTRAST_DIGITS), 0.0) / _OVERALL_SCALE
    inputs[11] = np.where(shown, np.sqrt(np.round(variance, _VARIANCE_DIGITS)), 0.0) / _DEVIATION_SCALE
    inputs[12] = freedom / _FREEDOM_SCALE
    inputs[TOP] = np.nan_to_num(top)
    inputs[14] = (answered >= 3) & (spread < _SAME)
    inputs[15] = np.log(step / _STEP_SCALE)
    inputs[16] = np.where(answered > 0, np.log(np.maximum(answered, 1.0) / _ANSWERED_SCALE), 0.0)
    inputs[17] = step < _LINE
    return _on_grid(inputs).T


def context_inputs(first: Bools, statistics: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return the inputs of n sessions that do not depend on the form, shape (n, `CONTEXT_INPUTS`).

    Args:
        first: (n,) whether the dyad has no form before this one, not even a declined one.
        statistics: (n, 21) of `STATISTICS`; a row with NaN: none are known.
        mean: (21,) the mean of each statistic over practices.
        sd: (21,) its standard deviation.
    """
    inputs = np.empty((first.size, len(CONTEXT_INPUTS)))
    known = ~np.any(np.isnan(statistics), axis=1, keepdims=True)
    scaled = np.clip((statistics - mean) / sd, -_LARGEST_STATISTIC, _LARGEST_STATISTIC)
    inputs[:, FIRST_SESSION] = first
    inputs[:, 1:-1] = np.where(known, scaled, 0.0)
    inputs[:, -1:] = known
    return _on_grid(inputs)


def with_context(of_forms: Floats, of_context: Floats) -> Floats:
    """Return all inputs (n, `INPUTS`) of forms (n, `FORM_INPUTS`) in their context (n, `CONTEXT_INPUTS`)."""
    return np.concatenate([of_forms, of_context], axis=1)


def _on_grid(inputs: Floats) -> Floats:
    """Return inputs of any shape, clipped, as the nearest multiples of the grid."""
    rounded: Floats = np.rint(np.clip(inputs, -LARGEST_INPUT, LARGEST_INPUT) / INPUT_GRID) * INPUT_GRID
    return rounded
