"""Measures scores against the truth: ranking, calibration, and the share and delay of detected ruptures."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Areas under the ROC curve and under the precision-recall curve (average precision)."""

    auroc: float
    auprc: float


def ranking(rupture: Bools, score: Floats) -> Ranking:
    """Rank n sessions; `rupture` and `score` (n,), minus infinity where a rule does not apply."""
    lowest = np.where(np.isneginf(score), score[np.isfinite(score)].min(initial=0.0) - 1.0, score)
    return Ranking(float(roc_auc_score(rupture, lowest)), float(average_precision_score(rupture, lowest)))


def calibration_error(rupture: Bools, risk: Floats, bins: int = 10) -> float:
    """Return the expected calibration error over bins of equal size; `rupture` and `risk` (n,).

    >>> calibration_error(np.array([True, False, True, True]), np.array([0.5, 0.5, 1.0, 1.0]), bins=2)
    0.0
    """
    order = np.argsort(risk, kind="stable")
    gaps = [
        abs(float(risk[members].mean()) - float(rupture[members].mean())) * members.size
        for members in np.array_split(order, bins)
        if members.size
    ]
    return sum(gaps) / risk.size


@dataclass(frozen=True, slots=True)
class RuptureSpan:
    """One rupture: a client's sessions from `begin` to before `end`, numbered from 0."""

    client: int
    begin: int
    end: int


def rupture_spans(rupture: Bools) -> Iterator[RuptureSpan]:
    """Yield the ruptures in (n, t) sessions; sessions that did not take place are False.

    >>> list(rupture_spans(np.array([[False, True, True, False]])))
    [RuptureSpan(client=0, begin=1, end=3)]
    """
    edges = np.diff(np.pad(rupture.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    clients, begins = np.nonzero(edges > 0)
    _, ends = np.nonzero(edges < 0)
    for client, begin, end in zip(clients.tolist(), begins.tolist(), ends.tolist(), strict=True):
        yield RuptureSpan(client, begin, end)


@dataclass(frozen=True, slots=True)
class RuptureDetection:
    """How many ruptures with at least one rated session were detected, and how late."""

    ruptures: int
    detected: int
    """Ruptures flagged at one of their rated sessions."""
    at_once: int
    """Ruptures flagged at their first rated session."""
    delays: tuple[int, ...]
    """For each detected rupture, the rated sessions from its first to the first flagged one."""

    @property
    def share(self) -> float:
        """Detected ruptures over all ruptures."""
        return self.detected / max(self.ruptures, 1)

    @property
    def share_at_once(self) -> float:
        """Ruptures flagged at their first rated session over all ruptures."""
        return self.at_once / max(self.ruptures, 1)


def detection_figures(rupture: Bools, rated: Bools, flagged: Bools) -> RuptureDetection:
    """Return how many ruptures are flagged at one of their rated sessions; all arguments (n, t)."""
    total, delays = 0, []
    for span in rupture_spans(rupture):
        sessions = np.nonzero(rated[span.client, span.begin : span.end])[0] + span.begin
        if sessions.size == 0:
            continue
        total += 1
        hits = np.nonzero(flagged[span.client, sessions])[0]
        if hits.size:
            delays.append(int(hits[0]))
    return RuptureDetection(total, len(delays), sum(delay == 0 for delay in delays), tuple(delays))
