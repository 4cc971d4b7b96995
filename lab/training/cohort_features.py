"""Computes the detector's features and its network's log-odds for every session of simulated cohorts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.product_path import forms_of
from lab.simulator.cohort import Cohort
from lab.statistics_of_others import statistics_of_others
from services.detector.features.extractor import FeatureExtractor
from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.network import Network

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
    network_log_odds: Floats | None = None
    """(rows,); None without a network."""


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


def fold_network(network: Network, forms: Floats, statistics: Floats | None = None) -> Floats:
    """Return the network's log-odds (n, t) for the forms (n, t, columns) of n dyads.

    Args:
        network: the network.
        forms: columns are `FORM_COLUMNS`.
        statistics: (n, 21) of each dyad's practice; a row with NaN, or None: none are known.
    """
    n, sessions, _ = forms.shape
    known = np.full((n, len(STATISTICS)), np.nan) if statistics is None else statistics
    log_odds = np.empty((n, sessions))
    state = network.start(n)
    for t in range(sessions):
        inputs = network.inputs(forms[:, t], np.full(n, t == 0), known)
        log_odds[:, t] = network.head(state, inputs).log_odds
        state = network.step(state, inputs)
    return log_odds


def fold_cohort(
    features: FeatureExtractor, cohort: Cohort, network: Network | None = None
) -> SessionFeatures:
    """Return the sessions of a cohort that took place, ordered by client and session.

    A network reads the statistics of other clients of the cohort.
    """
    client, session = np.nonzero(cohort.present)
    folded = fold_forms(features, cohort.forms)[client, session]
    log_odds = None
    if network is not None:
        log_odds = fold_network(network, cohort.forms, _statistics(cohort))[client, session]
    return SessionFeatures(folded, cohort.rupture[client, session], client, session, log_odds)


def _statistics(cohort: Cohort) -> Floats:
    found = statistics_of_others([forms_of(cohort, client) for client in range(cohort.present.shape[0])])
    none_known = (np.nan,) * len(STATISTICS)
    return np.array([none_known if one is None else one.values for one in found], dtype=np.float64)
