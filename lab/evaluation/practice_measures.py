"""Measures one detector on one practice, together with what it would be on resampled clients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.course_group import CourseTruth, GroupScores
from lab.evaluation.curves import precision_at_recalls, risk_and_truth
from lab.evaluation.false_alarm_rates import own_threshold
from lab.evaluation.metrics import calibration_error
from lab.evaluation.resampling import weighted_auprc, weighted_cut, weighted_share

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PROMISED = 5.0
"""False alarms per 100 stable rated sessions, at which detectors are compared."""


@dataclass(frozen=True, slots=True)
class PracticeMeasures:
    """Figures of one detector on one practice; the first element of an array is the figure itself.

    The others are of resampled clients. NaN where a practice has no rupture or no stable session.
    """

    auprc: Floats
    """(1 + draws,) over judged sessions."""
    caught: Floats
    """(1 + draws,) share of ruptures flagged at their first or second judged session, at `PROMISED`."""
    own_false_alarms: float
    """Per 100 stable rated sessions of odd clients, at the threshold from the risks of the even ones."""
    calibration_error: float
    precision: Floats
    """(20,) at `curves.RECALLS`."""
    reliability: Floats
    """(13, 3) of `curves.risk_and_truth`."""


def measure_practice(truth: CourseTruth, scores: GroupScores, weights: Floats) -> PracticeMeasures:
    """Measure one detector; `weights` (1 + draws, n) of `resampling.draw_weights`, the same for all."""
    judged = truth.judged
    course, _ = np.nonzero(judged)
    rupture, risk = truth.rupture[judged], scores.risk[judged]
    if not rupture.any() or rupture.all():
        none = np.full(weights.shape[0], np.nan)
        auprc, caught, precision = none, none, np.full(20, np.nan)
    else:
        auprc = weighted_auprc(rupture, risk, weights[:, course])
        caught = _caught(truth, scores.risk, weights)
        precision = precision_at_recalls(rupture, risk)
    return PracticeMeasures(
        auprc=auprc,
        caught=caught,
        own_false_alarms=_own_false_alarms(truth, scores),
        calibration_error=calibration_error(rupture, risk) if risk.size else float("nan"),
        precision=precision,
        reliability=risk_and_truth(rupture, risk),
    )


def _caught(truth: CourseTruth, risk: Floats, weights: Floats) -> Floats:
    stable = truth.judged & ~truth.rupture
    course, _ = np.nonzero(stable)
    cut = weighted_cut(risk[stable], weights[:, course], PROMISED / 100)
    spans = truth.judged_spans
    highest = np.maximum(risk[spans[:, 0], spans[:, 1]], risk[spans[:, 0], spans[:, 2]])
    return weighted_share(highest[None] > cut[:, None], weights[:, spans[:, 0]])


def _own_false_alarms(truth: CourseTruth, scores: GroupScores) -> float:
    _, number = np.unique(truth.client, return_inverse=True)
    even = (number % 2 == 0)[:, None]
    before = truth.present & even
    stable = truth.rated & ~truth.rupture & ~even
    if not before.any() or not stable.any():
        return float("nan")
    threshold = own_threshold(scores.risk[before], scores.may_be_flagged[before], PROMISED)
    return 100 * float((scores.may_be_flagged[stable] & (scores.risk[stable] >= threshold)).mean())
