"""What a model was made on, as a small file beside it: shares to compare with, and thresholds to start with.

`shares` says how the sessions of the training's worlds spread over bins of a few quantities: drift is
measured against it. `thresholds` says from which risk on how many of 100 stable sessions were flagged there:
a practice starts with it, until it has ratings enough for a threshold of its own.
"""

from collections.abc import Iterable, Sequence
from math import isnan, log, nan

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from services.detector.domain.assessment import Assessment

Floats = NDArray[np.float64]

QUANTITIES = ("risk", "level", "fall", "ratings")
"""The risk; the form's mean mark; the largest fall of a component under its usual; how many forms so far."""
_LEAST_SHARE = 1e-4


class Bins(BaseModel):
    """Shares of sessions between edges: the first below `edges[0]`, the last from `edges[-1]` on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...]
    shares: tuple[float, ...]


class Reference(BaseModel):
    """Of one model, named by its version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_version: str
    sessions: int
    shares: dict[str, Bins]
    thresholds: dict[int, float]
    """False alarms per 100 stable rated sessions, to the risk from which on they are flagged."""

    def threshold_for(self, per_100: float) -> float:
        """Between two of the thresholds in proportion; at their ends beyond them."""
        known = sorted(self.thresholds)
        values = [self.thresholds[each] for each in known]
        return round(float(np.interp(per_100, known, values)), 6)


def drift_quantities(found: Assessment) -> tuple[float, float, float, float]:
    """One assessment's `QUANTITIES`; NaN where there is none."""
    falls = [fall for one in found.components.values() if not isnan(fall := one.baseline - one.score)]
    return found.risk, found.level, max(falls, default=nan), float(found.ratings)


def equal_share_bins(values: Sequence[float] | Floats, count: int = 10) -> Bins:
    """Bins of about equally many values; fewer where many values are the same."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    inner = np.quantile(known, np.arange(1, count) / count, method="inverted_cdf")
    edges = np.unique(np.round(inner, 6))
    edges = edges[(edges > known.min()) & (edges <= known.max())]
    counts = bin_counts(tuple(edges.tolist()), known)
    shares = np.round(counts / counts.sum(), 6).tolist()
    return Bins(edges=tuple(edges.tolist()), shares=tuple(shares))


def bin_counts(edges: Sequence[float], values: Iterable[float]) -> Floats:
    """How many of the values lie in each bin; NaN in none."""
    known = np.array([value for value in values if not isnan(value)], dtype=np.float64)
    places = np.searchsorted(np.asarray(edges), known, side="right")
    return np.bincount(places, minlength=len(edges) + 1).astype(np.float64)


def stability_index(expected: Sequence[float], counts: Floats) -> float:
    """Population stability index: the sum of (a - e) ln(a / e) over bins, of shares expected and found.

    Below .1 is usually read as stable, from .25 on as another population.
    """
    total = float(counts.sum())
    index = 0.0
    for share, count in zip(expected, counts.tolist(), strict=True):
        wanted, got = max(share, _LEAST_SHARE), max(count / total, _LEAST_SHARE)
        index += (got - wanted) * log(got / wanted)
    return index
