"""Totals in, scores of today's rules out: what the model has to beat, on the same ratings.

A rule gives each session a score, higher is worse, and flags where the score is at least its cut. Sessions
without a form score minus infinity: these rules have nothing to say of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BaselineRule:
    """`score` takes totals (n, t) on 0 to 1, NaN where there is no form; and gives scores of that shape."""

    name: str
    score: Callable[[Floats], Floats]
    cut: float


def totals(forms: Floats) -> Floats:
    """(n, t) the mean of bond, goal, task and overall, as far as given, from (n, t, columns)."""
    parts = forms[:, :, :4]
    given = ~np.isnan(parts)
    count = given.sum(axis=2)
    total = np.where(given, parts, 0.0).sum(axis=2)
    mean: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def previous(total: Floats) -> Floats:
    """(n, t) the last given total before each session; NaN where there is none."""
    out = np.full_like(total, np.nan)
    last = np.full(total.shape[0], np.nan)
    for t in range(total.shape[1]):
        out[:, t] = last
        last = np.where(np.isnan(total[:, t]), last, total[:, t])
    return out


def _known(score: Floats) -> Floats:
    return np.where(np.isnan(score), -np.inf, score)


def drop_since_last(total: Floats) -> Floats:
    """How far the total lies under the one before."""
    return _known(previous(total) - total)


def own_ewma(total: Floats, weight: float = 0.4) -> Floats:
    """How far the exponentially weighted mean lies under the client's own mean of all forms before it."""
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
    return _known(out)


def xmr(total: Floats) -> Floats:
    """How far the total lies under the own mean, in mean moving ranges (Eubanks-Carter 2012: 2.66)."""
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
    return _known(out)


def vendor(cutoff: float | None) -> BaselineRule:
    """OpenFIT's published rule: below the cutoff, or at least 1 point of 40 under the last session."""

    def score(total: Floats) -> Floats:
        fall = drop_since_last(total)
        if cutoff is None:
            return fall
        below = np.where(np.isnan(total) | (total >= cutoff), -np.inf, cutoff - total + 1 / 40)
        return np.maximum(fall, below)

    # A total is a mean of decimals: the point it must fall is met from just under it.
    return BaselineRule("vendor rule", score, 1 / 40 - 1e-9)


SRS_CUTOFF = 36 / 40


def baseline_rules(cutoff: float | None) -> tuple[BaselineRule, ...]:
    """The rules in the order of the tables; `cutoff` on 0 to 1 where the instrument has a published one."""
    return (
        vendor(cutoff),
        BaselineRule("reliable change", drop_since_last, 0.43 / 4),
        BaselineRule("XmR chart", xmr, 2.66),
        BaselineRule("EWMA", own_ewma, 0.08),
    )
