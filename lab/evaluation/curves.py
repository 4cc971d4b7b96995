"""Scores and the truth in, points of two pictures out: precision against recall, risk against truth."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RECALLS: Floats = np.linspace(0.05, 1.0, 20)
RISK_EDGES: Floats = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])


def precision_at_recalls(rupture: Bools, score: Floats) -> Floats:
    """(20,) the best precision at which a share of `RECALLS` or more of the sessions in a rupture is flagged.

    `rupture` and `score` (n,); minus infinity where a rule has nothing to say.
    """
    lowest = np.where(np.isneginf(score), score[np.isfinite(score)].min(initial=0.0) - 1.0, score)
    precision, recall, _ = precision_recall_curve(rupture, lowest)
    best = np.maximum.accumulate(precision)  # recall falls along it
    places = np.searchsorted(-recall, -RECALLS, side="right") - 1
    found: Floats = best[places]
    return found


def risk_and_truth(rupture: Bools, risk: Floats) -> Floats:
    """(13, 3) for each bin between `RISK_EDGES`: sum of the risks, sessions in a rupture, sessions."""
    places = np.clip(np.searchsorted(RISK_EDGES, risk, side="right") - 1, 0, RISK_EDGES.size - 2)
    columns = (risk, rupture.astype(np.float64), np.ones(risk.size))
    return np.stack([np.bincount(places, each, RISK_EDGES.size - 1) for each in columns], axis=1)
