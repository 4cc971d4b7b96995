"""A cohort and a model in, the false alarms that came where so many were promised out.

Half of the clients are those that the practice has rated so far; what is measured is measured on the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.product_path import JudgedCohort
from lab.simulator.cohort import Cohort
from services.detector.domain.detector import Detector
from services.detector.domain.episodes import may_flag
from services.detector.domain.practice_defaults import SENSITIVITIES
from services.detector.domain.thresholds import threshold_for_false_alarms

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

START = "the model's own"
STARTS = (START, "own, of 400 sessions", "own, of all before")
_SESSIONS = {STARTS[1]: 400, STARTS[2]: 1_000_000}


@dataclass(frozen=True, slots=True)
class Kept:
    """One promise on one cohort."""

    promised: float
    """Flagged of 100 stable rated sessions."""
    threshold: str
    """One of `STARTS`: where the threshold comes from."""
    found: float


def kept(detector: Detector, cohort: Cohort, judged: JudgedCohort) -> list[Kept]:
    """Every sensitivity with every kind of threshold; a model without a reference starts balanced only."""
    able = flaggable(cohort, judged)
    early = np.arange(cohort.present.shape[0]) % 2 == 0
    known = cohort.present & early[:, None]
    stable = cohort.present & ~early[:, None] & ~cohort.declined & ~cohort.rupture
    out = []
    for promised in SENSITIVITIES.values():
        for start in STARTS:
            threshold = _threshold(detector, promised, start, judged.risk[known], able[known])
            if threshold is not None:
                flagged = able[stable] & (judged.risk[stable] >= threshold)
                out.append(Kept(promised, start, 100 * float(flagged.mean())))
    return out


def _threshold(detector: Detector, promised: float, start: str, risk: Floats, able: Bools) -> float | None:
    if start == START:
        if promised == SENSITIVITIES["balanced"]:
            return detector.threshold
        return None if detector.reference is None else detector.reference.threshold_for(promised)
    most = _SESSIONS[start]
    some, can = risk[:most], able[:most]
    return threshold_for_false_alarms(some[can].tolist(), some[~can].tolist(), promised / 100)


def flaggable(cohort: Cohort, judged: JudgedCohort) -> Bools:
    """(n, t) whether the session may be flagged at all, were its risk high enough."""
    able = np.zeros(cohort.present.shape, dtype=np.bool_)
    for client, one in enumerate(judged.judged):
        able[client, np.nonzero(cohort.present[client])[0]] = [may_flag(found) for found in one.found]
    return able
