"""Scores many complete forms of one instrument at once, equal to `scoring.score` to the last digit."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.instruments.instrument import Instrument

Floats = NDArray[np.float64]


class BatchScores(NamedTuple):
    """Scores of n forms on the common scale 0 to 1, 1 the best, each of shape (n,); NaN without a value.

    The fields are those of `FormScores`, without the number of answers: every item is answered.
    """

    bond: Floats
    goal: Floats
    task: Floats
    overall: Floats
    total: Floats
    spread: Floats
    top: Floats
    on_step: NDArray[np.bool_]
    """Whether all marks of the form are on a step. Other forms are to be scored by `scoring.score`, which
    decides whether the instrument takes such marks."""


def score_complete(instrument: Instrument, marks: Floats) -> BatchScores:
    """Score forms from their marks, shape (n, items), in the instrument's unit and without gaps."""
    values = [instrument.scale(item, marks[:, item - 1]) for item in range(1, instrument.items + 1)]
    nothing = np.full(len(marks), np.nan)
    bond, goal, task, overall = [
        _mean([values[index] for index in indices]) if indices else nothing
        for indices in instrument.component_indices
    ]
    mean = _mean(values)
    spread = nothing
    if instrument.items > 1:
        spread = np.sqrt(_mean([(value - mean) * (value - mean) for value in values]))
    top = _mean([(value == 1.0).astype(np.float64) for value in values])
    return BatchScores(bond, goal, task, overall, mean, spread, top, _on_step(instrument, marks))


def _on_step(instrument: Instrument, marks: Floats) -> NDArray[np.bool_]:
    steps = np.array(instrument.steps)
    number = np.rint((marks - instrument.lowest) / instrument.step)
    nearest = steps[np.clip(number, 0, steps.size - 1).astype(np.int64)]
    on_step: NDArray[np.bool_] = (nearest == marks).all(axis=1)
    return on_step


def _mean(columns: Sequence[Floats]) -> Floats:
    # Column by column, from left to right as `scoring` adds: in another order the last digit differs.
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    mean: Floats = total / len(columns)
    return mean
