"""Makes the reference of a model: the distribution of its assessments on cohorts drawn as for training.

Drift figures compare a practice with it, and a practice's first threshold is taken from it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lab.product_path import assess_cohort
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from services.detector.domain.detector import Detector
from services.detector.domain.reference import QUANTITIES, Reference, drift_quantities, equal_share_bins

Floats = NDArray[np.float64]

_FAMILIES = (simulate, simulate_two_state)
SEED = 77
COHORTS = 300
CLIENTS = 60
"""Enough that half of them have statistics, which the model may read for the other half."""
BUDGETS = tuple(range(1, 21))
"""Flagged sessions per 100 stable ones, for which the reference has a threshold."""


def make_reference(
    detector: Detector, progress: Callable[[str], None], cohorts: int = COHORTS, seed: int = SEED
) -> Reference:
    """Return the reference of a model; the same seed gives the same. `progress` is called once per cohort."""
    values: list[tuple[float, ...]] = []
    stable: list[Floats] = []
    for number, child in enumerate(np.random.SeedSequence(seed).spawn(cohorts)):
        family = _FAMILIES[number % len(_FAMILIES)]
        cohort = family(np.random.default_rng(child), CLIENTS)
        assessed = assess_cohort(detector, cohort)
        values.extend(
            drift_quantities(assessment) for dyad in assessed.dyads for assessment in dyad.assessments
        )
        stable.append(assessed.risk[cohort.present & ~cohort.declined & ~cohort.rupture])
        progress("reference")
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
