"""Scores features: calibrated trees on one thread, with risks that do not depend on the batch."""

from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import ThreadpoolController

from services.detector.domain.assessment import DIGITS

Floats = NDArray[np.float64]


class DecisionFunction(Protocol):
    """The part of fitted trees that is used."""

    def decision_function(self, X: Floats) -> Floats:
        """Return the log-odds of a rupture, shape (n,)."""


class Classifier(Protocol):
    """The part of a fitted scikit-learn classifier that is used."""

    def predict_proba(self, X: Floats) -> Floats:
        """Return P(no rupture) and P(rupture), shape (n, 2)."""


class Correction(Protocol):
    """Maps risks to corrected risks, elementwise, without changing their order."""

    def apply(self, risk: Floats) -> Floats:
        """Return the corrected risks, shape (n,)."""


class Blend:
    """Weighs the trees' log-odds and the filter's own together; the weights are fitted on held-out cohorts.

    The filter is the better judge of a caseload unlike those trained on, the trees of one like them.
    Neither weight is negative, so that the risk is monotone wherever both inputs are.
    """

    def __init__(
        self, trees: DecisionFunction, log_odds_index: int, weights: tuple[float, float, float]
    ) -> None:
        """Blend fitted trees with one of the features.

        Args:
            trees: a fitted classifier.
            log_odds_index: the column of the filter's log-odds among the features.
            weights: of the trees' log-odds, of the filter's log-odds, and a constant added to both.
        """
        self.trees = trees
        self.log_odds_index = log_odds_index
        self.weights = weights

    def predict_proba(self, X: Floats) -> Floats:
        """Return P(no rupture) and P(rupture), shape (n, 2), for features (n, features)."""
        of_trees, of_filter, constant = self.weights
        filter_log_odds = X[:, self.log_odds_index]
        risk = expit(of_trees * self.trees.decision_function(X) + of_filter * filter_log_odds + constant)
        return np.stack([1 - risk, risk], axis=1)


class Scorer:
    """Runs a fitted classifier on one thread, whatever the environment allows."""

    def __init__(self, classifier: Classifier, correction: Correction | None = None) -> None:
        self.classifier = classifier
        self._correction = correction
        self._threads = ThreadpoolController()
        # The thread limit belongs to the process: two scorers at a time would undo each other's.
        self._limit_lock = Lock()

    def score(self, features: Floats) -> Floats:
        """Return P(a rupture is under way), shape (n,), rounded, for features (n, features)."""
        if features.shape[0] == 0:
            return np.empty(0)
        with self._limit_lock, self._threads.limit(limits=1):
            risk: Floats = self.classifier.predict_proba(features)[:, 1]
        if self._correction is not None:
            risk = self._correction.apply(risk)
        return risk.clip(0.0, 1.0).round(DIGITS)
