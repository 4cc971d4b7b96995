"""Scores sessions by the rules in use today, the baselines that the model has to beat on the same ratings.

A rule gives each session a score, where higher is worse, and flags it when the score is at least the rule's
cut. A session without a form scores minus infinity.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """`score` maps totals (n, t) on 0 to 1, NaN where there is no form, to scores of the same shape."""

    name: str
    score: Callable[[Floats], Floats]
    cut: float


def totals(forms: Floats) -> Floats:
    """Return the mean (n, t) of the given ones of bond, goal, task and overall in forms (n, t, columns)."""
    parts = forms[:, :, :4]
    given = ~np.isnan(parts)
    count = given.sum(axis=2)
    total = np.where(given, parts, 0.0).sum(axis=2)
    mean: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def previous(total: Floats) -> Floats:
    """Return the last given total before each session, shape (n, t); NaN where there is none."""
    out = np.full_like(total, np.nan)
    last = np.full(total.shape[0], np.nan)
    for t in range(total.shape[1]):
        out[:, t] = last
        last = np.where(np.isnan(total[:, t]), last, total[:, t])
    return out


def _minus_infinity_if_missing(score: Floats) -> Floats:
    return np.where(np.isnan(score), -np.inf, score)


def drop_since_last(total: Floats) -> Floats:
    """Score by how far the total is below the one before, shape (n, t)."""
    return _minus_infinity_if_missing(previous(total) - total)


def own_ewma(total: Floats, weight: float = 0.4) -> Floats:
    """Score by how far the exponentially weighted mean is below the mean of the client's earlier forms."""
    n, sessions = total.shape
    out = np.full((n, sessions), np.nan)
    smooth, mean, count = np.full(n, np.nan), np.zeros(n), np.zeros(n)
    for t in range(sessions):
        x = total[:, t]
        given = ~np.isnan(x)
        mixed = np.where(np.isnan(smooth), x, weight * x + (1 - weight) * smooth)
        out[:, t] = np.where(given & (count > 0), mean - mixed, np.where(given, 0.0, np.nan))
        smooth = np.where(given, mixed, smooth)
        count = count + given
        mean = np.where(given, mean + (np.where(given, x, 0.0) - mean) / np.maximum(count, 1), mean)
    return _minus_infinity_if_missing(out)


def xmr(total: Floats) -> Floats:
    """Score by how far the total is below the client's mean, in mean moving ranges.

    The XmR control chart flags from 2.66 moving ranges on (Eubanks-Carter et al. 2012).
    """
    n, sessions = total.shape
    out = np.full((n, sessions), np.nan)
    before = previous(total)
    mean, moving, count, moves = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    for t in range(sessions):
        x, last = total[:, t], before[:, t]
        given = ~np.isnan(x)
        ready = given & (moves >= 2)
        out[:, t] = np.where(ready, (mean - x) / np.maximum(moving, 0.01), np.nan)
        paired = given & ~np.isnan(last)
        count = count + given
        mean = np.where(given, mean + (np.where(given, x, 0.0) - mean) / np.maximum(count, 1), mean)
        moves = moves + paired
        step = np.where(paired, np.abs(x - last), 0.0) - moving
        moving = np.where(paired, moving + step / np.maximum(moves, 1), moving)
    return _minus_infinity_if_missing(out)


def vendor(cutoff: float | None) -> BaselineRule:
    """Return OpenFIT's published rule: below the cutoff, or at least 1 point of 40 below the last session."""

    def score(total: Floats) -> Floats:
        drop = drop_since_last(total)
        if cutoff is None:
            return drop
        below = np.where(np.isnan(total) | (total >= cutoff), -np.inf, cutoff - total + 1 / 40)
        return np.maximum(drop, below)

    # A total is a mean of decimals, so a drop of exactly one point may come out just below it.
    return BaselineRule("vendor rule", score, 1 / 40 - 1e-9)


SRS_CUTOFF = 36 / 40


def baseline_rules(cutoff: float | None) -> tuple[BaselineRule, ...]:
    """Return the rules in the order of the report tables; `cutoff`: the published one on 0 to 1, or None."""
    return (
        vendor(cutoff),
        BaselineRule("reliable change", drop_since_last, 0.43 / 4),
        BaselineRule("XmR chart", xmr, 2.66),
        BaselineRule("EWMA", own_ewma, 0.08),
    )
