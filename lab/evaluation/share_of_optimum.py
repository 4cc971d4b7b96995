"""A detector's and the optimal filter's risks in, how much of what is possible the detector reaches out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from lab.evaluation.metrics import calibration_error, caught
from lab.optimal_filter.cache import first_clients, kept_risk
from lab.simulator.cohort import Cohort

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SEEDS = 1000, 1001
"""Of the filter's two runs; they have nothing to do with the cohort's."""
_AGAIN = 10
"""One in so many clients is followed a second time, by as many particles of its own."""


@dataclass(frozen=True, slots=True)
class Optimal:
    """How the optimal filter is to be run."""

    particles: int
    cohorts: int
    """Beside so many cohorts of each kind."""
    alike: bool
    """It takes all items for alike, as one must who has seen no other client's marks."""
    kept: Path | None
    """A folder: risks are read from it where they are known, and left in it; None to keep none."""


@dataclass(frozen=True, slots=True)
class OptimalFigures:
    """What the optimal filter reached on one cohort, and the detector's share of it."""

    particles: int
    auprc: float
    share: float
    """AUPRC of the detector over that of the optimal filter."""
    share_low: float
    share_high: float
    """90 of 100 draws of clients with replacement give a share between these."""
    caught_at_budget: float
    """Share of ruptures caught at the cut that flags the budget of stable sessions."""
    caught_share: float
    """Of the ruptures that the optimal filter catches so, the share that the detector catches so: a ratio."""
    calibration_error: float
    doubled: float
    """AUPRC with twice the particles over that without, of the clients followed twice."""
    runs_differ: float
    """Mean absolute difference of the risks of the two runs."""


def share_interval(
    rupture: Bools, risk: Floats, optimal: Floats, present: Bools, draws: int = 200
) -> tuple[float, float]:
    """5th and 95th percentile of AUPRC(risk) / AUPRC(optimal) over draws of clients; all (n, t)."""
    rng = np.random.default_rng(0)
    clients = [np.nonzero(row)[0] for row in present]
    rows = [(rupture[i, at], risk[i, at], optimal[i, at]) for i, at in enumerate(clients)]
    shares = []
    for _ in range(draws):
        drawn = [rows[i] for i in rng.integers(len(rows), size=len(rows)).tolist()]
        truth, own, best = (np.concatenate([row[part] for row in drawn]) for part in range(3))
        if truth.any():
            shares.append(average_precision_score(truth, own) / average_precision_score(truth, best))
    low, high = np.quantile(shares, (0.05, 0.95)).tolist()
    return low, high


def caught_at(budget: float, cohort: Cohort, risk: Floats) -> float:
    """Share of the ruptures caught at the cut that flags `budget` of 100 stable rated sessions."""
    rated = cohort.present & ~cohort.declined
    rupture = cohort.rupture & cohort.present
    cut = float(np.quantile(risk[rated & ~rupture], 1 - budget / 100, method="higher"))
    return caught(rupture, rated, rated & (np.nan_to_num(risk) > cut)).share


def optimal_figures(cohort: Cohort, risk: Floats, budget: float, asked: Optimal) -> OptimalFigures:
    """Run the filter on a cohort beside a detector's `risk` (n, t), NaN where no session took place."""
    particles, kept = asked.particles, asked.kept
    present, rupture = cohort.present, cohort.rupture & cohort.present
    if asked.alike:
        cohort = replace(cohort, item_offsets=np.zeros_like(cohort.item_offsets))
    best = kept_risk(cohort, _SEEDS[0], particles, kept)
    some = first_clients(cohort, -(-present.shape[0] // _AGAIN))
    again = kept_risk(some, _SEEDS[1], particles, kept)
    one, other, twice = best[: len(again)][some.present], again[some.present], rupture[: len(again)]
    truth = rupture[present]
    auprc = float(average_precision_score(truth, best[present]))
    low, high = share_interval(rupture, risk, best, present)
    reachable = caught_at(budget, cohort, best)
    return OptimalFigures(
        particles=particles,
        auprc=auprc,
        share=float(average_precision_score(truth, risk[present])) / auprc,
        share_low=low,
        share_high=high,
        caught_at_budget=reachable,
        caught_share=caught_at(budget, cohort, risk) / reachable if reachable else 1.0,
        calibration_error=calibration_error(truth, best[present]),
        doubled=_doubled(twice[some.present], one, other),
        runs_differ=float(np.abs(one - other).mean()),
    )


def _doubled(truth: Bools, one: Floats, other: Floats) -> float:
    """AUPRC of two runs' mean over that of each; 1 where no client followed twice had a rupture."""
    if not truth.any():
        return 1.0
    first, second, both = (
        float(average_precision_score(truth, each)) for each in (one, other, (one + other) / 2)
    )
    return both / ((first + second) / 2)


OPTIMAL_TITLES = (
    "kind of cohort",
    "AUPRC of the optimal filter",
    "share of it",
    "90 % interval",
    "caught at 5, share",
    "calibration error",
    "AUPRC with twice the particles, ratio",
    "risks of two runs differ by",
)


def over_cohorts(runs: Sequence[OptimalFigures]) -> tuple[float, float, float]:
    """The mean share of some cohorts, and its 90 % interval; their clients were drawn independently."""
    share = float(np.mean([run.share for run in runs]))
    below = float(np.linalg.norm([run.share - run.share_low for run in runs])) / len(runs)
    above = float(np.linalg.norm([run.share_high - run.share for run in runs])) / len(runs)
    return share, share - below, share + above


def optimal_rows(kinds: Sequence[tuple[str, Sequence[OptimalFigures]]]) -> list[tuple[str, ...]]:
    """One row a kind under `OPTIMAL_TITLES`."""
    rows: list[tuple[str, ...]] = []
    for name, runs in kinds:
        share, low, high = over_cohorts(runs)
        figures = [
            (run.auprc, run.caught_share, run.calibration_error, run.doubled, run.runs_differ) for run in runs
        ]
        auprc, found, off, doubled, differ = np.mean(figures, axis=0).tolist()
        rows.append(
            (
                name,
                f"{auprc:.3f}",
                f"{share:.2f}",
                f"{low:.2f}-{high:.2f}",
                f"{found:.2f}",
                f"{off:.3f}",
                f"{doubled:.3f}",
                f"{differ:.3f}",
            )
        )
    return rows
