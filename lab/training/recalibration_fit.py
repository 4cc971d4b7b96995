"""Fits a recalibration of the risk to therapists' answers.

Intercept and log slope are posterior means on a grid, under normal priors around "no correction" and hard
bounds: a few hundred answers carry two numbers, and however many agree, the intercept multiplies the odds by
at most e.

The likelihood is a mixture, because some therapists answer without looking. An attentive therapist's answer
is wrong with probability `WRONG_ANSWER`. A therapist is careless with probability `CARELESS`; all of a
careless therapist's answers are then independent of the risk, with an unknown personal rate of "yes" (a
beta-binomial with a uniform prior). Each therapist's answers thus count by how much better attention explains
them than carelessness does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from services.detector.model.recalibration import Recalibration, log_odds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WRONG_ANSWER = 0.05
CARELESS = 0.2
INTERCEPT_SD, INTERCEPT_BOUND = 0.35, 1.0
LOG_SLOPE_SD, LOG_SLOPE_BOUND = 0.1, 0.4
_GRID_POINTS = 81


@dataclass(frozen=True, slots=True)
class TherapistAnswers:
    """n answers about alerted sessions."""

    risk: Floats
    """(n,) the risk that led to the alert."""
    rupture: Bools
    """(n,) whether the therapist saw a rupture."""
    therapist: Sequence[str]
    """n ids of who answered."""


def fit_recalibration(answers: TherapistAnswers) -> Recalibration:
    """Return the posterior mean of intercept and log slope; without answers, no correction."""
    intercepts = np.linspace(-INTERCEPT_BOUND, INTERCEPT_BOUND, _GRID_POINTS)
    log_slopes = np.linspace(-LOG_SLOPE_BOUND, LOG_SLOPE_BOUND, _GRID_POINTS)
    intercept, log_slope = (axis.ravel() for axis in np.meshgrid(intercepts, log_slopes, indexing="ij"))
    log_posterior = _log_prior(intercept, log_slope)
    if len(answers.therapist):
        attentive = _log_attentive(answers, intercept, log_slope)
        therapists, owner = np.unique(np.asarray(answers.therapist), return_inverse=True)
        for number in range(therapists.size):
            own = owner == number
            yes, no = int(answers.rupture[own].sum()), int((~answers.rupture[own]).sum())
            careless = np.log(CARELESS) + lgamma(1 + yes) + lgamma(1 + no) - lgamma(2 + yes + no)
            log_posterior += np.logaddexp(np.log1p(-CARELESS) + attentive[:, own].sum(axis=1), careless)
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    return Recalibration(
        intercept=round(float(weight @ intercept), 6), slope=round(float(np.exp(weight @ log_slope)), 6)
    )


def _log_prior(intercept: Floats, log_slope: Floats) -> Floats:
    prior: Floats = -0.5 * ((intercept / INTERCEPT_SD) ** 2 + (log_slope / LOG_SLOPE_SD) ** 2)
    return prior


def _log_attentive(answers: TherapistAnswers, intercept: Floats, log_slope: Floats) -> Floats:
    """Return (grid points, n) log P(answer | an attentive therapist)."""
    corrected = intercept[:, None] + np.exp(log_slope)[:, None] * log_odds(answers.risk)
    yes = WRONG_ANSWER + (1 - 2 * WRONG_ANSWER) / (1 + np.exp(-corrected))
    chance: Floats = np.log(np.where(answers.rupture, yes, 1 - yes))
    return chance
