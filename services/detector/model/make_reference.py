"""A model in, what it was made on out: worlds of the training's own draw, scored by the whole path."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.detector.core import Detector
from services.detector.model.flow import judge_cohort
from services.detector.model.recalibrate import log_odds
from services.detector.model.simulate import simulate
from services.detector.reference import QUANTITIES, Reference, bins_of, quantities

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

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
    opening: list[Floats] = []
    rupture: list[Bools] = []
    for child in np.random.SeedSequence(seed).spawn(cohorts):
        cohort = simulate(np.random.default_rng(child), CLIENTS)
        judged = judge_cohort(detector, cohort)
        values.extend(quantities(found) for one in judged.judged for found in one.found)
        stable.append(judged.risk[cohort.present & ~cohort.declined & ~cohort.rupture])
        opening.append(judged.risk[judged.opened])
        rupture.append(cohort.rupture[judged.opened])
        told("reference")
    risks = np.concatenate(stable)
    return Reference(
        model_version=detector.version,
        sessions=len(values),
        shares={
            name: bins_of(column) for name, column in zip(QUANTITIES, zip(*values, strict=True), strict=True)
        },
        thresholds={budget: round(float(np.quantile(risks, 1 - budget / 100)), 6) for budget in BUDGETS},
        openings=_openings(np.concatenate(opening), np.concatenate(rupture)),
    )


def _openings(risk: Floats, rupture: Bools) -> tuple[float, float]:
    line = LogisticRegression(C=np.inf).fit(log_odds(risk)[:, None], rupture)
    return round(float(line.intercept_[0]), 6), round(float(line.coef_[0, 0]), 6)
