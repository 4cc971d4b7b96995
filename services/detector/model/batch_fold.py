"""Folds the forms of many dyads into their states and gathers the features of the forms to assess.

Forms that are already assessed only update the state, which takes a fraction of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detector.features.client_statistics import LAGS
from services.detector.features.extractor import Extraction, FeatureExtractor
from services.detector.model.explanation import ExplanationInputs
from services.detector.model.floor_effect import at_floor
from services.detector.model.movement import FORMS

Floats = NDArray[np.float64]

_BATCH = 512
"""Dyads folded together: with fewer, the calls cost more than the arithmetic; with more, memory does."""
_WIDTHS = {"baseline": (4,), "expected_drop": (3,), "observation_variance": (3,), "recent": (3 * FORMS,)}
"""Widths of the explanation's inputs that hold more than one number per form."""


class HistoryLengths(NamedTuple):
    """The number of a dyad's forms, and how many of them, from the first on, are already assessed."""

    forms: int
    already_assessed: int


@dataclass(frozen=True, slots=True)
class FormAtFloor:
    """A form with a component at its lowest mark, below the baseline, and the state before it."""

    row: int
    """The form's row in `FoldedForms.features`."""
    state: Floats
    """(width,)"""
    form: Floats
    """(columns,) of `FORM_COLUMNS`."""


@dataclass(frozen=True, slots=True)
class FoldedForms:
    """The numbers of all forms to assess, dyad by dyad."""

    features: Floats
    """(n, features)"""
    explanation: ExplanationInputs
    at_floor: list[FormAtFloor]


def fold_batch(
    extractor: FeatureExtractor, states: Floats, dyads: Sequence[HistoryLengths], columns: Floats
) -> FoldedForms:
    """Fold every dyad's forms, longest histories first, and leave each dyad's last state in `states`.

    Args:
        extractor: computes the features of one form of each of many dyads.
        states: (dyads, width) before the forms; overwritten.
        dyads: the lengths of each dyad's history.
        columns: (forms, columns) of `FORM_COLUMNS`, dyad by dyad.
    """
    counts, assessed = np.array(dyads, dtype=np.int64).reshape(-1, 2).T
    first_form = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)[:-1]])
    first_row = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts - assessed)[:-1]])
    longest_first = np.argsort(-counts, kind="stable")
    folded = _empty(int((counts - assessed).sum()), len(extractor.names))
    for begin in range(0, counts.size, _BATCH):
        batch = longest_first[begin : begin + _BATCH]
        for t in range(int(counts[batch[0]])):
            active = batch[counts[batch] > t]
            updated = active[t < assessed[active] - LAGS]
            if updated.size:
                states[updated] = extractor.update_state(states[updated], columns[first_form[updated] + t])
            extracted = active[t >= assessed[active] - LAGS]
            if extracted.size:
                before, forms = states[extracted], columns[first_form[extracted] + t]
                extraction = extractor.extract(before, forms)
                states[extracted] = extraction.state
                is_wanted = t >= assessed[extracted]
                rows = first_row[extracted] + t - assessed[extracted]
                _keep(folded, is_wanted, rows[is_wanted], extraction)
                for index in np.nonzero(is_wanted & at_floor(forms, extraction.baseline))[0].tolist():
                    at = FormAtFloor(int(rows[index]), before[index].copy(), forms[index])
                    folded.at_floor.append(at)
    return folded


def _empty(n: int, features: int) -> FoldedForms:
    inputs = {name: np.empty((n, *_WIDTHS.get(name, ()))) for name in _explanation_fields()}
    return FoldedForms(np.empty((n, features)), ExplanationInputs(**inputs), [])


def _explanation_fields() -> list[str]:
    return [field.name for field in fields(ExplanationInputs)]


def _keep(
    folded: FoldedForms, is_wanted: NDArray[np.bool_], rows: NDArray[np.int64], extraction: Extraction
) -> None:
    all_wanted = bool(is_wanted.all())
    folded.features[rows] = extraction.features if all_wanted else extraction.features[is_wanted]
    for name in _explanation_fields():
        numbers = getattr(extraction, name)
        getattr(folded.explanation, name)[rows] = numbers if all_wanted else numbers[is_wanted]
