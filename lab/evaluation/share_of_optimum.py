"""Measures which share of the optimal filter's precision and detection a detector reaches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from lab.evaluation.metrics import calibration_error, detection_figures
from lab.optimal_filter.cache import cached_risk, first_clients
from lab.simulator.cohort import Cohort

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_SEEDS = 1000, 1001
"""Seeds of the filter's two runs, independent of the cohort's."""
_SECOND_RUN_EVERY = 10
"""One in this many clients is filtered a second time, to see how far two runs differ."""


@dataclass(frozen=True, slots=True)
class OptimalFilterSettings:
    """How to run the optimal filter."""

    particles: int
    cohorts: int
    """Number of cohorts of each scenario to run it on."""
    ignore_item_offsets: bool
    """It assumes equal items, as a detector must that has not seen other clients' marks."""
    cache: Path | None
    """A folder for the filter's risks (`lab/optimal_filter/cache.py`); None caches nothing."""


@dataclass(frozen=True, slots=True)
class OptimalFigures:
    """What the optimal filter reached on one cohort, and the detector's share of it."""

    particles: int
    auprc: float
    share: float
    """AUPRC of the detector over that of the optimal filter."""
    share_low: float
    share_high: float
    """90 of 100 bootstrap draws of clients give a share between these two."""
    detected_at_budget: float
    """Share of ruptures that the optimal filter detects when it flags the budget of stable sessions."""
    detected_share: float
    """That share of the detector over that of the optimal filter."""
    calibration_error: float
    doubled: float
    """AUPRC of the mean of two runs over the mean AUPRC of each: the gain from twice the particles."""
    runs_differ: float
    """Mean absolute difference of the risks of the two runs."""


def share_interval(
    rupture: Bools, risk: Floats, optimal: Floats, present: Bools, draws: int = 200
) -> tuple[float, float]:
    """Return the 5th and 95th percentile of AUPRC(risk) / AUPRC(optimal) over bootstrap draws of clients.

    The arrays have the shape (n, t).
    """
    rng = np.random.default_rng(0)
    clients = [np.nonzero(row)[0] for row in present]
    rows = [(rupture[i, times], risk[i, times], optimal[i, times]) for i, times in enumerate(clients)]
    shares = []
    for _ in range(draws):
        drawn = [rows[i] for i in rng.integers(len(rows), size=len(rows)).tolist()]
        truth, own, best = (np.concatenate([row[part] for row in drawn]) for part in range(3))
        if truth.any():
            shares.append(average_precision_score(truth, own) / average_precision_score(truth, best))
    low, high = np.quantile(shares, (0.05, 0.95)).tolist()
    return low, high


def detected_at(budget: float, cohort: Cohort, risk: Floats) -> float:
    """Return the share of ruptures detected at the cut that flags `budget` of 100 stable rated sessions."""
    rated = cohort.present & ~cohort.declined
    rupture = cohort.rupture & cohort.present
    cut = float(np.quantile(risk[rated & ~rupture], 1 - budget / 100, method="higher"))
    return detection_figures(rupture, rated, rated & (np.nan_to_num(risk) > cut)).share


def optimal_figures(
    cohort: Cohort, risk: Floats, budget: float, settings: OptimalFilterSettings
) -> OptimalFigures:
    """Run the filter on a cohort, and compare with a detector's `risk` (n, t).

    The risk is NaN where no session took place; `budget` is per 100 stable rated sessions.
    """
    particles, cache = settings.particles, settings.cache
    present, rupture = cohort.present, cohort.rupture & cohort.present
    if settings.ignore_item_offsets:
        cohort = replace(cohort, item_offsets=np.zeros_like(cohort.item_offsets))
    best = cached_risk(cohort, _SEEDS[0], particles, cache)
    twice = first_clients(cohort, -(-present.shape[0] // _SECOND_RUN_EVERY))
    again = cached_risk(twice, _SEEDS[1], particles, cache)
    runs = best[: len(again)][twice.present], again[twice.present]
    truth = rupture[present]
    auprc = float(average_precision_score(truth, best[present]))
    low, high = share_interval(rupture, risk, best, present)
    reachable = detected_at(budget, cohort, best)
    return OptimalFigures(
        particles=particles,
        auprc=auprc,
        share=float(average_precision_score(truth, risk[present])) / auprc,
        share_low=low,
        share_high=high,
        detected_at_budget=reachable,
        detected_share=detected_at(budget, cohort, risk) / reachable if reachable else 1.0,
        calibration_error=calibration_error(truth, best[present]),
        doubled=_doubled(rupture[: len(again)][twice.present], *runs),
        runs_differ=float(np.abs(runs[0] - runs[1]).mean()),
    )


def _doubled(truth: Bools, first_run: Floats, second_run: Floats) -> float:
    """Return the AUPRC of the mean of two runs over the mean AUPRC of each; 1 where there is no rupture."""
    if not truth.any():
        return 1.0
    first, second, both = (
        float(average_precision_score(truth, risk))
        for risk in (first_run, second_run, (first_run + second_run) / 2)
    )
    return both / ((first + second) / 2)


def over_cohorts(runs: Sequence[OptimalFigures]) -> tuple[float, float, float]:
    """Return the mean share over cohorts and its 90 % interval, given that their clients are independent."""
    share = float(np.mean([run.share for run in runs]))
    below = float(np.linalg.norm([run.share - run.share_low for run in runs])) / len(runs)
    above = float(np.linalg.norm([run.share_high - run.share for run in runs])) / len(runs)
    return share, share - below, share + above
