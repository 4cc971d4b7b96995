"""A model in, what it was made on out: worlds of the training's own draw, scored by the whole path."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lab.product_path import judge_cohort
from lab.simulator.cohort import simulate
from services.detector.domain.detector import Detector
from services.detector.domain.reference import QUANTITIES, Reference, drift_quantities, equal_share_bins

Floats = NDArray[np.float64]

SEED = 77
COHORTS = 300
CLIENTS = 40
BUDGETS = tuple(range(1, 21))


def make_reference(
    detector: Detector, told: Callable[[str], None], cohorts: int = COHORTS, seed: int = SEED
) -> Reference:
    """The reference of a model; the same seed gives the same."""
    values: list[tuple[float, ...]] = []
    stable: list[Floats] = []
    for child in np.random.SeedSequence(seed).spawn(cohorts):
        cohort = simulate(np.random.default_rng(child), CLIENTS)
        judged = judge_cohort(detector, cohort)
        values.extend(drift_quantities(found) for one in judged.judged for found in one.found)
        stable.append(judged.risk[cohort.present & ~cohort.declined & ~cohort.rupture])
        told("reference")
    risks = np.concatenate(stable)
    return Reference(
        model_version=detector.version,
        sessions=len(values),
        shares={
            name: equal_share_bins(column)
            for name, column in zip(QUANTITIES, zip(*values, strict=True), strict=True)
        },
        thresholds={budget: round(float(np.quantile(risks, 1 - budget / 100)), 6) for budget in BUDGETS},
    )
