"""Cohorts in, the features and the truth of every session out: the detector's own fold on simulated forms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import Cohort
from services.detector.features.extractor import FeatureExtractor

Floats = NDArray[np.float64]

_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Rows:
    """One row a session that took place."""

    features: Floats
    """(rows, features)"""
    rupture: NDArray[np.bool_]
    client: NDArray[np.int64]
    session: NDArray[np.int64]


def fold_forms(features: FeatureExtractor, forms: Floats) -> Floats:
    """(n, t, features) of the forms (n, t, columns) of n dyads."""
    n, sessions, _ = forms.shape
    out = np.empty((n, sessions, len(features.names)))
    for begin in range(0, n, _AT_ONCE):
        some = forms[begin : begin + _AT_ONCE]
        state = features.start(some.shape[0])
        for t in range(sessions):
            step = features.extract(state, some[:, t])
            out[begin : begin + _AT_ONCE, t] = step.features
            state = step.state
    return out


def fold_cohort(features: FeatureExtractor, cohort: Cohort) -> Rows:
    """The rows of a cohort: sessions that took place, in the order of clients and sessions."""
    client, session = np.nonzero(cohort.present)
    folded = fold_forms(features, cohort.forms)
    return Rows(folded[client, session], cohort.rupture[client, session], client, session)
