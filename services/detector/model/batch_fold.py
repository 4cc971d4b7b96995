"""Folds the forms of many dyads into their states and gathers the numbers of the forms to assess.

Forms that are already assessed only update the state, which takes a fraction of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.detector.features.client_statistics import LAGS
from services.detector.features.extractor import Extraction
from services.detector.model.explanation import ExplanationInputs
from services.detector.model.floor_effect import at_floor
from services.detector.model.form_step import FormStep
from services.detector.model.movement import FORMS
from services.detector.model.network import NetworkOutput

Floats = NDArray[np.float64]

_BATCH = 512
"""Dyads folded together: with fewer, the calls cost more than the arithmetic; with more, memory does."""
_WIDTHS = {"baseline": (4,), "expected_drop": (3,), "observation_variance": (3,), "recent": (3 * FORMS,)}
"""Widths of the explanation's inputs that hold more than one number per form."""


_EXTRACTED = tuple(field.name for field in fields(ExplanationInputs) if field.name != "network_falls")
"""The explanation's inputs that the extractor computes."""


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
    context: Floats
    """(`CONTEXT_INPUTS`,) that the network reads beside the form; empty without a network."""


@dataclass(frozen=True, slots=True)
class FoldedForms:
    """The numbers of all forms to assess, dyad by dyad."""

    features: Floats
    """(n, features)"""
    network: NetworkOutput | None
    """None: the model has none."""
    explanation: ExplanationInputs
    at_floor: list[FormAtFloor]


def fold_batch(
    step: FormStep, states: Floats, dyads: Sequence[HistoryLengths], columns: Floats, contexts: Floats
) -> FoldedForms:
    """Fold every dyad's forms, longest histories first, and leave each dyad's last state in `states`.

    Args:
        step: takes the states of many dyads through one form of each.
        states: (dyads, width) before the forms; overwritten.
        dyads: the lengths of each dyad's history.
        columns: (forms, columns) of `FORM_COLUMNS`, dyad by dyad.
        contexts: (forms, `CONTEXT_INPUTS`) from the step.
    """
    inputs = step.inputs(columns, contexts)
    counts, assessed = np.array(dyads, dtype=np.int64).reshape(-1, 2).T
    first_form = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)[:-1]])
    first_row = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts - assessed)[:-1]])
    longest_first = np.argsort(-counts, kind="stable")
    folded = _empty(step, int((counts - assessed).sum()))
    for begin in range(0, counts.size, _BATCH):
        batch = longest_first[begin : begin + _BATCH]
        for t in range(int(counts[batch[0]])):
            active = batch[counts[batch] > t]
            updated = active[t < assessed[active] - LAGS]
            if updated.size:
                at = first_form[updated] + t
                states[updated] = step.update_state(states[updated], columns[at], inputs[at])
            extracted = active[t >= assessed[active] - LAGS]
            if extracted.size:
                at = first_form[extracted] + t
                before, forms, given = states[extracted], columns[at], inputs[at]
                extraction = step.extract(before, forms)
                states[extracted] = step.after(before, extraction, given)
                wanted = np.nonzero(t >= assessed[extracted])[0]
                rows = first_row[extracted] + t - assessed[extracted]
                _keep(folded, wanted, rows[wanted], extraction)
                _keep_output(folded, rows[wanted], step.head(before[wanted], given[wanted]))
                is_at_floor = at_floor(forms, extraction.baseline)
                for index in wanted[is_at_floor[wanted]].tolist():
                    context = step.context_of(given[index])
                    form = FormAtFloor(int(rows[index]), before[index].copy(), forms[index], context)
                    folded.at_floor.append(form)
    return folded


def _empty(step: FormStep, n: int) -> FoldedForms:
    inputs = {name: np.empty((n, *_WIDTHS.get(name, ()))) for name in _EXTRACTED}
    network = None if step.network is None else NetworkOutput(np.empty(n), np.empty((n, 3)))
    falls = None if network is None else network.falls
    explanation = ExplanationInputs(**inputs, network_falls=falls)
    return FoldedForms(np.empty((n, len(step.extractor.names))), network, explanation, [])


def _keep(
    folded: FoldedForms, wanted: NDArray[np.intp], rows: NDArray[np.int64], extraction: Extraction
) -> None:
    all_wanted = wanted.size == len(extraction.features)
    folded.features[rows] = extraction.features if all_wanted else extraction.features[wanted]
    for name in _EXTRACTED:
        numbers = getattr(extraction, name)
        getattr(folded.explanation, name)[rows] = numbers if all_wanted else numbers[wanted]


def _keep_output(folded: FoldedForms, rows: NDArray[np.int64], output: NetworkOutput | None) -> None:
    if folded.network is not None and output is not None:
        folded.network.log_odds[rows] = output.log_odds
        folded.network.falls[rows] = output.falls
