"""Dyads' states and forms in, what the features say of the forms out; the states move on.

Forms of which nothing is to be said are passed over, which takes a fraction of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detector.features.client_statistics import LAGS
from services.detector.features.extractor import FeatureExtractor, Step
from services.detector.model.explanation import ExplanationInputs
from services.detector.model.floor_effect import at_floor
from services.detector.model.movement import FORMS

Floats = NDArray[np.float64]

_AT_ONCE = 512
"""Dyads folded together: of fewer, calls take more time than numbers; of more, memory."""
_WIDTHS = {"usual": (4,), "fall": (3,), "wobble": (3,), "trail": (3 * FORMS,)}
"""Of what is found, that which is more than one number a form."""


class HistoryLengths(NamedTuple):
    """Of one dyad: how many forms, and of how many of them, the first ones, nothing is to be said."""

    forms: int
    known: int


@dataclass(frozen=True, slots=True)
class FormAtFloor:
    """A form with a component at its lowest mark, under what is usual, and the state before it."""

    row: int
    state: Floats
    form: Floats


@dataclass(frozen=True, slots=True)
class FoldedForms:
    """Of all forms that are not known, dyad by dyad."""

    features: Floats
    found: ExplanationInputs
    floor: list[FormAtFloor]


def fold(
    features: FeatureExtractor, states: Floats, dyads: Sequence[HistoryLengths], columns: Floats
) -> FoldedForms:
    """Fold every dyad's forms, longest histories first; `states` holds the last state of each after.

    Args:
        features: what makes one form of each.
        states: (dyads, width) before the forms.
        dyads: how many of the forms are each one's.
        columns: (forms, columns) of `history.COLUMNS`, dyad by dyad.
    """
    counts, known = np.array(dyads, dtype=np.int64).reshape(-1, 2).T
    first_form = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)[:-1]])
    first_row = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts - known)[:-1]])
    longest_first = np.argsort(-counts, kind="stable")
    n = int((counts - known).sum())
    out = FoldedForms(
        np.empty((n, len(features.names))),
        ExplanationInputs(
            **{field.name: np.empty((n, *_WIDTHS.get(field.name, ()))) for field in fields(ExplanationInputs)}
        ),
        [],
    )
    for begin in range(0, counts.size, _AT_ONCE):
        some = longest_first[begin : begin + _AT_ONCE]
        for t in range(int(counts[some[0]])):
            going = some[counts[some] > t]
            passed = going[t < known[going] - LAGS]
            if passed.size:
                states[passed] = features.pass_over(states[passed], columns[first_form[passed] + t])
            rest = going[t >= known[going] - LAGS]
            if rest.size:
                before, forms = states[rest], columns[first_form[rest] + t]
                step = features.step(before, forms)
                states[rest] = step.state
                said = t >= known[rest]
                _keep(out, said, (first_row[rest] + t - known[rest])[said], step)
                for at in np.nonzero(said & at_floor(forms, step.usual))[0].tolist():
                    row = int(first_row[rest[at]] + t - known[rest[at]])
                    out.floor.append(FormAtFloor(row, before[at].copy(), forms[at]))
    return out


def _keep(out: FoldedForms, said: NDArray[np.bool_], rows: NDArray[np.int64], step: Step) -> None:
    every = bool(said.all())
    out.features[rows] = step.features if every else step.features[said]
    for field in fields(ExplanationInputs):
        found = getattr(step, field.name)
        getattr(out.found, field.name)[rows] = found if every else found[said]
