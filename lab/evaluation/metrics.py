"""Risks and the truth in, figures out: ranking, calibration, what was caught and how late, what was false."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a score orders sessions: areas under the ROC curve and under the precision-recall curve."""

    auroc: float
    auprc: float


def ranking(rupture: Bools, score: Floats) -> Ranking:
    """Of sessions, `rupture` and `score` (n,); minus infinity where a rule has nothing to say."""
    lowest = np.where(np.isneginf(score), score[np.isfinite(score)].min(initial=0.0) - 1.0, score)
    return Ranking(float(roc_auc_score(rupture, lowest)), float(average_precision_score(rupture, lowest)))


def calibration_error(rupture: Bools, risk: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equally many sessions."""
    order = np.argsort(risk, kind="stable")
    gaps = [
        abs(float(risk[some].mean()) - float(rupture[some].mean())) * some.size
        for some in np.array_split(order, bins)
        if some.size
    ]
    return sum(gaps) / risk.size


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of a client's sessions with a rupture under way: from `begin` up to before `end`."""

    client: int
    begin: int
    end: int


def spells(rupture: Bools) -> Iterator[Spell]:
    """The ruptures in (n, t) sessions; those that did not take place are False."""
    edges = np.diff(np.pad(rupture.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    clients, begins = np.nonzero(edges > 0)
    _, ends = np.nonzero(edges < 0)
    for client, begin, end in zip(clients.tolist(), begins.tolist(), ends.tolist(), strict=True):
        yield Spell(client, begin, end)


@dataclass(frozen=True, slots=True)
class Caught:
    """What became of the ruptures that had at least one rated session."""

    ruptures: int
    caught: int
    at_once: int
    """Caught at their first rated session."""
    sessions_until: tuple[int, ...]
    """For each one caught: rated sessions from its first to the one flagged; 0 is at once."""

    @property
    def share(self) -> float:
        """Of the ruptures, those flagged while under way."""
        return self.caught / max(self.ruptures, 1)

    @property
    def share_at_once(self) -> float:
        """Of the ruptures, those flagged at their first rated session."""
        return self.at_once / max(self.ruptures, 1)

    @property
    def median_sessions(self) -> float:
        """Of those caught; NaN when none is."""
        return float(np.median(self.sessions_until)) if self.sessions_until else float("nan")


def caught(rupture: Bools, rated: Bools, flagged: Bools) -> Caught:
    """All (n, t); a rupture is caught by a flag at one of its rated sessions."""
    total, delays = 0, []
    for spell in spells(rupture):
        seen = np.nonzero(rated[spell.client, spell.begin : spell.end])[0] + spell.begin
        if seen.size == 0:
            continue
        total += 1
        hits = np.nonzero(flagged[spell.client, seen])[0]
        if hits.size:
            delays.append(int(hits[0]))
    return Caught(total, len(delays), sum(delay == 0 for delay in delays), tuple(delays))
