"""Describes the data a model was trained on, and measures how far recent assessments are from it.

`shares` holds the distribution of the training's simulated sessions over bins of a few quantities.
`thresholds` holds the risk from which a given number of 100 stable sessions were flagged there: a practice
starts with it, until it has enough ratings for a threshold of its own.
"""

from collections.abc import Iterable, Sequence
from math import isnan, log, nan

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from services.detector.domain.assessment import Assessment

Floats = NDArray[np.float64]

QUANTITIES = ("risk", "level", "fall", "ratings")
"""The risk, the form's mean mark, the largest drop of a component below its baseline, the forms so far."""
HALF_LIFE = 5_000
"""Sessions after which an older one counts half."""
ENOUGH = 1_000
"""With fewer sessions, chance alone moves an index of ten bins by .01 and more."""
BATCH_SAMPLE = 50
"""Sessions sampled per batch: enough for shares, and too few to slow the batch down."""
_LEAST_SHARE = 1e-4
"""Stands for the share of an empty bin, whose logarithm would be infinite."""


class Bins(BaseModel):
    """Shares of sessions per bin: the first below `edges[0]`, the last from `edges[-1]` on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Reference(BaseModel):
    """The training data of one model, which its version names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_version: str
    sessions: int
    shares: dict[str, Bins]
    thresholds: dict[int, float]
    """For each number of false alarms per 100 stable rated sessions, the risk from which on to flag."""

    def threshold_for(self, per_100: float) -> float:
        """Interpolate linearly between the known thresholds; beyond them the nearest one holds."""
        budgets = sorted(self.thresholds)
        values = [self.thresholds[budget] for budget in budgets]
        return round(float(np.interp(per_100, budgets, values)), 6)


def drift_quantities(assessment: Assessment) -> tuple[float, float, float, float]:
    """Return the `QUANTITIES` of one assessment; NaN where one is missing."""
    drops = [part.baseline - part.score for part in assessment.components.values()]
    largest = max((drop for drop in drops if not isnan(drop)), default=nan)
    return assessment.risk, assessment.level, largest, float(assessment.ratings)


def equal_share_bins(values: Sequence[float] | Floats, count: int = 10) -> Bins:
    """Return bins that hold about equally many values each; fewer bins where many values are equal.

    >>> equal_share_bins([1.0] * 60 + [2.0] * 40)
    Bins(edges=(2.0,), shares=(0.6, 0.4))
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    inner = np.quantile(known, np.arange(1, count) / count, method="inverted_cdf")
    edges = np.unique(np.round(inner, 6))
    edges = edges[(edges > known.min()) & (edges <= known.max())]
    counts = bin_counts(tuple(edges.tolist()), known)
    shares = np.round(counts / counts.sum(), 6).tolist()
    return Bins(edges=tuple(edges.tolist()), shares=tuple(shares))


def bin_counts(edges: Sequence[float], values: Iterable[float]) -> Floats:
    """Count the values per bin, shape (edges + 1,); NaN is in none.

    >>> bin_counts((0.2, 0.5), [0.1, 0.2, 0.49, 0.5]).tolist()
    [1.0, 2.0, 1.0]
    """
    known = np.array([value for value in values if not isnan(value)], dtype=np.float64)
    bins = np.searchsorted(np.asarray(edges), known, side="right")
    return np.bincount(bins, minlength=len(edges) + 1).astype(np.float64)


def stability_index(expected: Sequence[float], counts: Floats) -> float:
    """Return the population stability index: the sum over bins of (a - e) ln(a / e).

    `e` is the expected share of a bin and `a` the actual one, from `counts` of shape (bins,). An index below
    .1 is usually read as stable, one from .25 on as another population (Siddiqi, Credit Risk Scorecards,
    2006).

    >>> stability_index((0.5, 0.5), np.array([20.0, 20.0]))
    0.0
    """
    total = float(counts.sum())
    index = 0.0
    for share, count in zip(expected, counts.tolist(), strict=True):
        wanted, actual = max(share, _LEAST_SHARE), max(count / total, _LEAST_SHARE)
        index += (actual - wanted) * log(actual / wanted)
    return index


class DriftMonitor:
    """How far one process's recent assessments are from the reference, with slow forgetting.

    Without a reference it measures nothing.
    """

    def __init__(self, reference: Reference | None) -> None:
        self._reference = reference
        self._counts = (
            {}
            if reference is None
            else {name: bin_counts(reference.shares[name].edges, ()) for name in QUANTITIES}
        )

    def add(self, assessments: Sequence[Assessment]) -> None:
        """Add a batch's sessions, each assessed for the first time by the reference's model."""
        if self._reference is None or not assessments:
            return
        sample = assessments[:: max(1, len(assessments) // BATCH_SAMPLE)]
        fade = 0.5 ** (len(sample) / HALF_LIFE)
        for name, values in zip(QUANTITIES, zip(*map(drift_quantities, sample), strict=True), strict=True):
            added = bin_counts(self._reference.shares[name].edges, values)
            self._counts[name] = self._counts[name] * fade + added

    def index(self, name: str) -> float:
        """Return the population stability index of a quantity; NaN with fewer than `ENOUGH` sessions."""
        if self._reference is None or self._counts[name].sum() < ENOUGH:
            return nan
        return stability_index(self._reference.shares[name].shares, self._counts[name])
