"""Approximates P(form | expected alliance) by a multivariate t density, to propose events and traits."""

from dataclasses import dataclass

import numpy as np

from lab.optimal_filter.observation_model import FormMoments
from lab.optimal_filter.particles import Bools, Floats, Precomputed
from lab.simulator.cohort import OVERALL_NOISE

LOADING = np.array([1.0, 1.0, 1.0, 1.0 + OVERALL_NOISE], np.float32)[:, None]
"""(4, 1) weight of the common noise in each felt component."""
SPREAD = np.array([1.0, 1.0, 1.0, 1 / 3 + OVERALL_NOISE**2], np.float32)[:, None]
"""(4, 1) variance of each felt component's own noise."""


@dataclass(frozen=True, slots=True)
class FormLikelihood:
    """A t approximation of P(form | expected alliance) for n particles.

    Its scale matrix is diagonal (own noise) plus rank one (the noise that all components share).
    """

    precision: Floats
    """(4, n) one over the variance of each felt component, without the common noise."""
    common: Floats
    """(n,) the common noise's variance over one plus its information."""
    mean: Floats
    """(4, n) what the form asks for."""
    log_scale: Floats
    """(n,) log density at the mode, up to a constant."""
    power: np.float32
    degrees_of_freedom: np.float32

    def log_fit(self, expected: Floats) -> Floats:
        """Return (n,) log P(form), up to a constant, where `expected` (4, n) is felt without noise."""
        gap = self.mean - expected
        weighted = self.precision * gap
        common = (weighted * LOADING).sum(axis=0)
        distance = (weighted * gap).sum(axis=0) - self.common * common * common
        log: Floats = self.log_scale + self.power * np.log1p(
            np.maximum(distance, 0) / self.degrees_of_freedom
        )
        return log


def approximate_likelihood(
    precomputed: Precomputed, own_sd: Floats, yea_sayer: Bools, moments: FormMoments
) -> FormLikelihood:
    """Return the approximation for n particles whose noise has the standard deviation `own_sd` (n,)."""
    row = yea_sayer.astype(np.intp)
    own, common = (own_sd * precomputed.own_weight) ** 2, (own_sd * precomputed.common_weight) ** 2
    precision: Floats = np.float32(1) / (moments.variance.astype(np.float32).T[:, row] + SPREAD * own)
    information = (precision * LOADING * LOADING).sum(axis=0)
    df = np.float32(precomputed.world.degrees_of_freedom)
    return FormLikelihood(
        precision=precision,
        common=common / (1 + common * information),
        mean=moments.mean.astype(np.float32).T[:, row],
        log_scale=0.5 * (np.log(precision).sum(axis=0) - np.log(1 + common * information)),
        power=np.float32(-(df + 4) / 2),
        degrees_of_freedom=df,
    )
