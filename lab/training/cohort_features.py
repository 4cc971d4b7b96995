"""Computes the detector's features for every session of simulated cohorts, beside the truth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import Cohort
from services.detector.features.extractor import FeatureExtractor

Floats = NDArray[np.float64]

_BATCH = 128
"""Dyads that are folded together; the result does not depend on it."""


@dataclass(frozen=True, slots=True)
class SessionFeatures:
    """One row per session that took place."""

    features: Floats
    """(rows, features)"""
    rupture: NDArray[np.bool_]
    """(rows,) a rupture is under way."""
    client: NDArray[np.int64]
    session: NDArray[np.int64]


def fold_forms(features: FeatureExtractor, forms: Floats) -> Floats:
    """Return (n, t, features) of the forms (n, t, columns) of n dyads; columns are `FORM_COLUMNS`."""
    n, sessions, _ = forms.shape
    out = np.empty((n, sessions, len(features.names)))
    for begin in range(0, n, _BATCH):
        batch = forms[begin : begin + _BATCH]
        state = features.start(batch.shape[0])
        for t in range(sessions):
            step = features.extract(state, batch[:, t])
            out[begin : begin + _BATCH, t] = step.features
            state = step.state
    return out


def fold_cohort(features: FeatureExtractor, cohort: Cohort) -> SessionFeatures:
    """Return the sessions of a cohort that took place, ordered by client and session."""
    client, session = np.nonzero(cohort.present)
    folded = fold_forms(features, cohort.forms)
    return SessionFeatures(folded[client, session], cohort.rupture[client, session], client, session)
