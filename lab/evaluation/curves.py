"""Computes the points of two curves: precision against recall, and observed ruptures against risk."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RECALLS: Floats = np.linspace(0.05, 1.0, 20)
RISK_EDGES: Floats = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def precision_at_recalls(rupture: Bools, score: Floats) -> Floats:
    """Return (20,) the best precision of any cut that reaches each recall in `RECALLS`.

    `rupture` and `score` have the shape (n,); the score is minus infinity where a rule does not apply.
    """
    lowest = np.where(np.isneginf(score), score[np.isfinite(score)].min(initial=0.0) - 1.0, score)
    precision, recall, _ = precision_recall_curve(rupture, lowest)
    best = np.maximum.accumulate(precision)  # recall decreases along the curve
    positions = np.searchsorted(-recall, -RECALLS, side="right") - 1
    at_recalls: Floats = best[positions]
    return at_recalls


def risk_and_truth(rupture: Bools, risk: Floats) -> Floats:
    """Return (13, 3): for each bin between `RISK_EDGES` the sum of risks, ruptures, and sessions.

    `rupture` and `risk` have the shape (n,).
    """
    bins = np.clip(np.searchsorted(RISK_EDGES, risk, side="right") - 1, 0, RISK_EDGES.size - 2)
    columns = (risk, rupture.astype(np.float64), np.ones(risk.size))
    return np.stack([np.bincount(bins, column, RISK_EDGES.size - 1) for column in columns], axis=1)
