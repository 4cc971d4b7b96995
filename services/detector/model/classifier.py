"""Scores features: calibrated trees on one thread, with risks that do not depend on the batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
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
    """Computes risks from features and, if it uses one, from a network's log-odds."""

    @property
    def uses_network(self) -> bool:
        """Whether it needs a network's log-odds."""

    def risk(self, features: Floats, network_log_odds: Floats | None) -> Floats:
        """Return P(a rupture is under way), shape (n,).

        Args:
            features: (n, features).
            network_log_odds: (n,); None where there is no network.
        """


class Correction(Protocol):
    """Maps risks to corrected risks, elementwise, without changing their order."""

    def apply(self, risk: Floats) -> Floats:
        """Return the corrected risks, shape (n,)."""


class Blend:
    """Weighs the trees' log-odds and the filter's own together; the weights are fitted on held-out cohorts.

    The filter is the better judge of a caseload unlike those trained on, the trees of one like them.
    Neither weight is negative, so that the risk is monotone wherever both inputs are.
    """

    uses_network = False

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

    def risk(self, features: Floats, network_log_odds: Floats | None) -> Floats:  # noqa: ARG002 - it has none
        """Return P(a rupture is under way), shape (n,), for features (n, features)."""
        of_trees, of_filter, constant = self.weights
        filter_log_odds = features[:, self.log_odds_index]
        risk: Floats = expit(
            of_trees * self.trees.decision_function(features) + of_filter * filter_log_odds + constant
        )
        return risk


class NetworkBlend:
    """Weighs the log-odds of the trees, of the filter and of the network together, as `Blend` does two."""

    uses_network = True

    def __init__(
        self, trees: DecisionFunction, log_odds_index: int, weights: tuple[float, float, float, float]
    ) -> None:
        """Blend fitted trees with one of the features and with a network.

        Args:
            trees: a fitted classifier.
            log_odds_index: the column of the filter's log-odds among the features.
            weights: of the log-odds of the trees, of the filter and of the network, each at least 0, and a
                constant added to all.
        """
        self.trees = trees
        self.log_odds_index = log_odds_index
        self.weights = weights

    def risk(self, features: Floats, network_log_odds: Floats | None) -> Floats:
        """Return P(a rupture is under way), shape (n,).

        Args:
            features: (n, features).
            network_log_odds: (n,).
        """
        if network_log_odds is None:
            raise ValueError("this classifier was fitted with a network: give it the network's log-odds")
        of_trees, of_filter, of_network, constant = self.weights
        log_odds = of_trees * self.trees.decision_function(features)
        log_odds += of_filter * features[:, self.log_odds_index]
        log_odds += of_network * network_log_odds
        log_odds += constant
        risk: Floats = expit(log_odds)
        return risk


class Scorer:
    """Runs a fitted classifier on one thread, whatever the environment allows."""

    def __init__(self, classifier: Classifier, correction: Correction | None = None) -> None:
        self.classifier = classifier
        self._correction = correction
        self._threads = ThreadpoolController()
        # The thread limit belongs to the process: two scorers at a time would undo each other's.
        self._limit_lock = RLock()

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Limit linear algebra and the trees to one thread; may be entered again inside."""
        with self._limit_lock, self._threads.limit(limits=1):
            yield

    def score(self, features: Floats, network_log_odds: Floats | None = None) -> Floats:
        """Return P(a rupture is under way), shape (n,), rounded.

        Args:
            features: (n, features).
            network_log_odds: (n,); None where there is no network.
        """
        if features.shape[0] == 0:
            return np.empty(0)
        with self.one_thread():
            risk = self.classifier.risk(features, network_log_odds)
        if self._correction is not None:
            risk = self._correction.apply(risk)
        return risk.clip(0.0, 1.0).round(DIGITS)
