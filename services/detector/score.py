"""Features in, risks out: calibrated trees on one thread, in numbers that are the same in every batch."""

from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

Floats = NDArray[np.float64]

DIGITS = 6
"""Risks are rounded before they are compared, stored or published."""


class Classifier(Protocol):
    """What is used of a fitted scikit-learn classifier."""

    def predict_proba(self, X: Floats) -> Floats:  # noqa: N803 - scikit-learn's name
        """(n, 2) P(no rupture), P(rupture)."""


class Correction(Protocol):
    """Turns risks into others, elementwise, and never the order of two."""

    def of(self, risk: Floats) -> Floats:
        """(n,) the corrected risks."""


class Scorer:
    """A fitted classifier that scores on one thread, whatever the surroundings allow."""

    def __init__(self, classifier: Classifier, correction: Correction | None = None) -> None:
        self._classifier = classifier
        self._correction = correction
        self._threads = ThreadpoolController()
        # The limit belongs to the process: two at a time would undo each other's.
        self._one_at_a_time = Lock()

    def score(self, features: Floats) -> Floats:
        """(n,) P(a rupture is under way), rounded; `features` (n, features) in the order of training."""
        if features.shape[0] == 0:
            return np.empty(0)
        with self._one_at_a_time, self._threads.limit(limits=1):
            chance: Floats = self._classifier.predict_proba(features)[:, 1]
        if self._correction is not None:
            chance = self._correction.of(chance)
        return chance.clip(0.0, 1.0).round(DIGITS)
