"""Risks and what therapists said of them in, two numbers that correct the risk out.

Corrected odds are `exp(intercept) * odds ** slope`: a curve that only rises, so what ranks higher still does,
and lowering a whole form still never lowers the risk. Two numbers are what a few dozen answers can carry.
Both are means over the posterior on a grid, with priors around "nothing is to be corrected" and hard bounds:
however many answers say so, the intercept multiplies odds by no more than e.

Careless therapists are expected. An answer of an attentive one is wrong with chance `WRONG`; a therapist is
careless with chance `CARELESS`, and then all of their answers hang on nothing but an unknown habit. How well
either explains a therapist's answers decides how much these count.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WRONG = 0.05
CARELESS = 0.2
INTERCEPT_SD, INTERCEPT_BOUND = 0.35, 1.0
LOG_SLOPE_SD, LOG_SLOPE_BOUND = 0.1, 0.4
_GRID = 81
_LEAST = 1e-6


class Recalibration(BaseModel):
    """Corrects a model's risk by its log odds: intercept + slope * log odds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    intercept: float = 0.0
    slope: float = Field(default=1.0, gt=0)

    def of(self, risk: Floats) -> Floats:
        """The corrected risks, elementwise."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * log_odds(risk))))

    def after(self, before: "Recalibration | None") -> "Recalibration":
        """Both in one, `before` first."""
        if before is None:
            return self
        return Recalibration(
            intercept=self.intercept + self.slope * before.intercept, slope=self.slope * before.slope
        )


def log_odds(risk: Floats) -> Floats:
    """Of risks; those nearer to 0 or 1 than a millionth are taken to be that far."""
    held = np.clip(risk, _LEAST, 1 - _LEAST)
    odds: Floats = np.log(held / (1 - held))
    return odds


@dataclass(frozen=True, slots=True)
class Said:
    """n answers: the risk that the therapist was told of, whether they saw a rupture, and who it was."""

    risk: Floats
    rupture: Bools
    therapist: Sequence[str]


def recalibrate(said: Said) -> Recalibration:
    """The posterior mean of intercept and log slope."""
    intercepts = np.linspace(-INTERCEPT_BOUND, INTERCEPT_BOUND, _GRID)
    log_slopes = np.linspace(-LOG_SLOPE_BOUND, LOG_SLOPE_BOUND, _GRID)
    intercept, log_slope = (each.ravel() for each in np.meshgrid(intercepts, log_slopes, indexing="ij"))
    weight = _log_prior(intercept, log_slope)
    if len(said.therapist):
        attentive = _log_attentive(said, intercept, log_slope)
        who, owner = np.unique(np.asarray(said.therapist), return_inverse=True)
        for number in range(who.size):
            own = owner == number
            yes, no = int(said.rupture[own].sum()), int((~said.rupture[own]).sum())
            careless = np.log(CARELESS) + lgamma(1 + yes) + lgamma(1 + no) - lgamma(2 + yes + no)
            weight += np.logaddexp(np.log1p(-CARELESS) + attentive[:, own].sum(axis=1), careless)
    share = np.exp(weight - weight.max())
    share /= share.sum()
    return Recalibration(
        intercept=round(float(share @ intercept), 6), slope=round(float(np.exp(share @ log_slope)), 6)
    )


def _log_prior(intercept: Floats, log_slope: Floats) -> Floats:
    prior: Floats = -0.5 * ((intercept / INTERCEPT_SD) ** 2 + (log_slope / LOG_SLOPE_SD) ** 2)
    return prior


def _log_attentive(said: Said, intercept: Floats, log_slope: Floats) -> Floats:
    """(grid, n) log P(answer | an attentive therapist)."""
    odds = intercept[:, None] + np.exp(log_slope)[:, None] * log_odds(said.risk)
    seen = WRONG + (1 - 2 * WRONG) / (1 + np.exp(-odds))
    chance: Floats = np.log(np.where(said.rupture, seen, 1 - seen))
    return chance
