"""Compares the rate of false alarms that a threshold was chosen for with the rate on new clients.

A practice's own threshold is chosen on the clients with even numbers; all rates are measured on the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.product_path import AssessedCohort
from lab.simulator.cohort import Cohort
from services.detector.domain.detector import Detector
from services.detector.domain.practice_defaults import SENSITIVITIES
from services.detector.domain.session_risk import may_flag
from services.detector.domain.thresholds import (
    model_threshold,
    shrunk_threshold,
    threshold_for_false_alarms,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

START = "the model's own"
STARTS = (START, "own, of 400 sessions", "own, of all before")
_SESSIONS = {STARTS[1]: 400, STARTS[2]: 1_000_000}


@dataclass(frozen=True, slots=True)
class FalseAlarmRate:
    """The promised and the observed rate on one cohort, per 100 stable rated sessions."""

    promised: float
    threshold: str
    """One of `STARTS`: what the threshold was chosen on."""
    observed: float


def false_alarm_rates(detector: Detector, cohort: Cohort, assessed: AssessedCohort) -> list[FalseAlarmRate]:
    """Measure every sensitivity with every kind of threshold.

    Without a reference, the model's own threshold is known for the balanced sensitivity only.
    """
    may_be_flagged = flaggable(cohort, assessed)
    early = np.arange(cohort.present.shape[0]) % 2 == 0
    rated_so_far = cohort.present & early[:, None]
    stable = cohort.present & ~early[:, None] & ~cohort.declined & ~cohort.rupture
    rates = []
    for promised in SENSITIVITIES.values():
        for start in STARTS:
            threshold = _threshold(
                detector, promised, start, assessed.risk[rated_so_far], may_be_flagged[rated_so_far]
            )
            if threshold is not None:
                flagged = may_be_flagged[stable] & (assessed.risk[stable] >= threshold)
                rates.append(FalseAlarmRate(promised, start, 100 * float(flagged.mean())))
    return rates


def _threshold(
    detector: Detector, promised: float, start: str, risk: Floats, may_be_flagged: Bools
) -> float | None:
    if start == START:
        return model_threshold(detector.threshold, detector.reference, promised / 100)
    sessions = _SESSIONS[start]
    return own_threshold(detector, risk[:sessions], may_be_flagged[:sessions], promised)


def own_threshold(detector: Detector, risk: Floats, may_be_flagged: Bools, promised: float) -> float:
    """Return the threshold that a practice would get from its own sessions, without knowing the truth.

    Args:
        detector: whose own threshold the practice's is drawn towards.
        risk: (n,) of all its sessions.
        may_be_flagged: (n,) of `flaggable`.
        promised: false alarms per 100 stable sessions.
    """
    share = promised / 100
    own = threshold_for_false_alarms(risk[may_be_flagged].tolist(), risk[~may_be_flagged].tolist(), share)
    of_model = model_threshold(detector.threshold, detector.reference, share)
    return shrunk_threshold(own, of_model, risk.size)


def flaggable(cohort: Cohort, assessed: AssessedCohort) -> Bools:
    """Return (n, t) whether a session would be flagged if its risk were high enough."""
    may_be_flagged = np.zeros(cohort.present.shape, dtype=np.bool_)
    for client, dyad in enumerate(assessed.dyads):
        times = np.nonzero(cohort.present[client])[0]
        may_be_flagged[client, times] = [may_flag(assessment) for assessment in dyad.assessments]
    return may_be_flagged
