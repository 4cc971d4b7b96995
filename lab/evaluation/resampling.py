"""Computes figures of weighted clients, so that one resample of them gives the figures of every detector."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DRAWS = 200
"""Bootstrap draws of clients; the standard error of a standard error is then a twentieth of it."""


def draw_weights(rng: np.random.Generator, client: NDArray[np.int64], draws: int = DRAWS) -> Floats:
    """Return (1 + draws, n) how often each course counts: once in the first row, then as its client is drawn.

    Args:
        rng: the source of chance.
        client: (n,) number of each course's client.
        draws: of as many clients as there are, with replacement.
    """
    _, owner = np.unique(client, return_inverse=True)
    clients = int(owner.max()) + 1
    drawn = rng.multinomial(clients, np.full(clients, 1 / clients), size=draws)
    return np.concatenate([np.ones((1, client.size)), drawn[:, owner].astype(np.float64)])


def weighted_auprc(truth: Bools, score: Floats, weights: Floats) -> Floats:
    """Return (draws,) the average precision of n weighted sessions; NaN where no true one has a weight.

    With weights of 1 it is scikit-learn's `average_precision_score`.

    Args:
        truth: (n,)
        score: (n,)
        weights: (draws, n), at least 0.
    """
    order = np.argsort(-score, kind="stable")
    weights = weights[:, order]
    # Sessions of equal score are flagged together: the curve has one point for all of them.
    last = np.append(np.nonzero(np.diff(score[order]))[0], score.size - 1)
    true = np.cumsum(weights * truth[order], axis=1)[:, last]
    flagged = np.cumsum(weights, axis=1)[:, last]
    precision = np.divide(true, flagged, out=np.zeros_like(true), where=flagged > 0)
    found = np.diff(true, axis=1, prepend=0.0)
    total = true[:, -1]
    area: Floats = np.divide(
        (found * precision).sum(axis=1), total, out=np.full(total.size, np.nan), where=total > 0
    )
    return area


def weighted_cut(score: Floats, weights: Floats, share: float) -> Floats:
    """Return (draws,) the lowest cut that at most `share` of n weighted sessions exceed.

    Args:
        score: (n,) of at least one session.
        weights: (draws, n), at least 0.
        share: from 0 to below 1.
    """
    order = np.argsort(-score, kind="stable")
    exceeding = np.cumsum(weights[:, order], axis=1)
    # Rounded, because a share of a sum of whole weights is not exact.
    allowed = np.round(share * exceeding[:, -1:], 9)
    position = np.argmax(exceeding > allowed, axis=1)
    cuts: Floats = score[order][position]
    return cuts


def weighted_share(hit: Bools, weights: Floats) -> Floats:
    """Return (draws,) the weighted share of hits; `hit` and `weights` (draws, n); NaN where all weigh 0."""
    total = weights.sum(axis=1)
    share: Floats = np.divide(
        (weights * hit).sum(axis=1), total, out=np.full(total.size, np.nan), where=total > 0
    )
    return share
