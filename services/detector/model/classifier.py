"""Features in, risks out: calibrated trees on one thread, in numbers that are the same in every batch."""

from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]

DIGITS = 6
"""Risks are rounded before they are compared, stored or published."""


class DecisionFunction(Protocol):
    """What is used of fitted trees."""

    def decision_function(self, X: Floats) -> Floats:
        """(n,) log-odds of a rupture."""


class Classifier(Protocol):
    """What is used of a fitted scikit-learn classifier."""

    def predict_proba(self, X: Floats) -> Floats:
        """(n, 2) P(no rupture), P(rupture)."""


class Correction(Protocol):
    """Turns risks into others, elementwise, and never the order of two."""

    def of(self, risk: Floats) -> Floats:
        """(n,) the corrected risks."""


class Blend:
    """Trees and the filter's own odds, weighed together on cohorts that neither was fitted to.

    The filter is the better judge where a caseload is unlike those trained on, the trees where it is not.
    Neither weight is negative, so that the risk rises with all that both rise with.
    """

    def __init__(
        self, trees: DecisionFunction, log_odds_index: int, weights: tuple[float, float, float]
    ) -> None:
        """The weights: of the trees' log-odds, of the filter's log-odds, and what is added to both.

        Args:
            trees: a fitted classifier.
            log_odds_index: where the filter's log-odds stand among the features.
            weights: as above; log-odds again.
        """
        self.trees = trees
        self.log_odds_index = log_odds_index
        self.weights = weights

    def predict_proba(self, X: Floats) -> Floats:
        """(n, 2) P(no rupture), P(rupture)."""
        of_trees, of_odds, added = self.weights
        chance = expit(
            of_trees * self.trees.decision_function(X) + of_odds * X[:, self.log_odds_index] + added
        )
        return np.stack([1 - chance, chance], axis=1)


class Scorer:
    """A fitted classifier that scores on one thread, whatever the surroundings allow."""

    def __init__(self, classifier: Classifier, correction: Correction | None = None) -> None:
        self.classifier = classifier
        self._correction = correction
        self._threads = ThreadpoolController()
        # The limit belongs to the process: two at a time would undo each other's.
        self._one_at_a_time = Lock()

    def score(self, features: Floats) -> Floats:
        """(n,) P(a rupture is under way), rounded; `features` (n, features) in the order of training."""
        if features.shape[0] == 0:
            return np.empty(0)
        with self._one_at_a_time, self._threads.limit(limits=1):
            chance: Floats = self.classifier.predict_proba(features)[:, 1]
        if self._correction is not None:
            chance = self._correction.of(chance)
        return chance.clip(0.0, 1.0).round(DIGITS)
