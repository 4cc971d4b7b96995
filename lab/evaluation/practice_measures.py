"""Measures one detector on one practice, together with what it would be on resampled clients."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.course_group import CourseTruth, GroupScores
from lab.evaluation.curves import precision_at_recalls, risk_and_truth
from lab.evaluation.false_alarm_rates import own_threshold
from lab.evaluation.metrics import calibration_error
from lab.evaluation.resampling import weighted_auprc, weighted_cut, weighted_share
from services.detector.domain.detector import Detector

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


def own_false_alarms(detector: Detector, parts: Sequence[tuple[CourseTruth, GroupScores]]) -> list[float]:
    """Return false alarms per 100 stable rated sessions of both halves of a practice, at its own thresholds.

    The halves are the clients with even and with odd numbers. Each is measured at the threshold that is
    chosen on the risks of the other one, whose truth is not used. A half without a stable session is left
    out, and so is one whose other half has no session.

    Args:
        detector: that gave the scores.
        parts: all courses of the practice, in one part or several.
    """
    risk = np.concatenate([scores.risk[truth.present] for truth, scores in parts])
    may_be_flagged = np.concatenate([scores.may_be_flagged[truth.present] for truth, scores in parts])
    stable = np.concatenate([(truth.rated & ~truth.rupture)[truth.present] for truth, _ in parts])
    client = np.concatenate([truth.client[np.nonzero(truth.present)[0]] for truth, _ in parts])
    rates = []
    for remainder in (0, 1):
        other = client % 2 == remainder
        measured = stable & ~other
        if other.any() and measured.any():
            threshold = own_threshold(detector, risk[other], may_be_flagged[other], PROMISED)
            flagged = may_be_flagged[measured] & (risk[measured] >= threshold)
            rates.append(100 * float(flagged.mean()))
    return rates
