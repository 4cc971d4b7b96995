"""Conditions each dyad's belief on a form: the update step of the filter, which weighs explanations.

The explanations of a form are the hypotheses (stable, then ruptures) followed by the bad days; under each,
the form is of one of two kinds, ordinary or an outlier.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.filter_predict import Belief, channel_noise
from services.detector.features.hypotheses import HypothesisTables
from services.detector.features.observation import Observation

Floats = NDArray[np.float64]

NOISE_RANGE = (2e-4, 4e-2)
"""Bounds of the variance of a client's session noise."""
_LEAST_CHANCE = 1e-200
_MOST_SURPRISE = 6.0
"""A squared gap beyond this many variances changes the noise no further."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How well each explanation fits the forms of n dyads; e explanations, 2 kinds."""

    weight: Floats
    """(e, n) P(explanation) before the form's marks; that it was given or declined is included."""
    expected: Floats
    """(3, e, n) the channels that each explanation expects."""
    variance: Floats
    """(2, 3, n) variance of the channels around them, by kind."""
    precision: Floats
    """(2, 3, n) its reciprocal: multiplying takes a fraction of the time of dividing."""
    contrast_log: Floats
    """(2, e, n) log-likelihood of the contrasts and of the kind."""


def form_likelihood(tables: HypothesisTables, prior: Belief, observation: Observation) -> Likelihood:
    """Return how well each explanation fits the form, apart from its level."""
    settings, h = tables.settings, tables.hypotheses
    n = observation.rated.size
    expected = np.empty((3, 2 * h - 1, n))
    np.subtract(prior.mean, tables.shift[:, :, None], out=expected[:, :h])
    np.subtract(prior.mean[:, :1], tables.shift[:, 1:, None], out=expected[:, h:])
    stable = prior.weight[0]
    weight = np.empty((2 * h - 1, n))
    weight[0] = (1 - settings.bad_day) * stable
    ratio = np.where(observation.declined, settings.declined_ratio, settings.given_ratio)
    np.multiply(prior.weight[1:], ratio, out=weight[1:h])
    np.multiply(settings.bad_day * stable, tables.bad_day[:, None], out=weight[h:])
    noise = channel_noise(prior.noise)
    ordinary = prior.variance + noise + observation.noise
    variance = np.stack([ordinary, ordinary + settings.outlier_spread * noise])
    precision = 1 / variance
    gap = observation.channels[1:, None] - expected[1:]
    gap *= gap
    gap *= -0.5
    log = gap[0] * precision[:, 1, None]
    log += gap[1] * precision[:, 2, None]
    kinds = np.log(np.array([[1 - settings.outlier], [settings.outlier]]))
    log += (kinds - 0.5 * np.log(variance[:, 0] * variance[:, 1] * variance[:, 2]))[:, None]
    return Likelihood(weight, expected, variance, precision, log)


def _explanation_weights(likelihood: Likelihood, level: Floats) -> Floats:
    """Return the unnormalised probability (2, e, n) of each explanation, given the form's level (n,)."""
    gap = level - likelihood.expected[0]
    gap *= gap
    gap *= -0.5
    weights: Floats = gap * likelihood.precision[:, 0, None]
    weights += likelihood.contrast_log
    weights -= weights.max(axis=(0, 1))
    np.exp(weights, out=weights)
    weights *= likelihood.weight
    return weights


def _censored(
    likelihood: Likelihood, threshold: Floats, at: NDArray[np.intp]
) -> tuple[Floats, Floats, Floats]:
    """Weigh forms at the top, whose level is only known to be at least `threshold` (Tobit model, Tobin 1958).

    Returns:
        (2, e, m) the unnormalised probability of each explanation; (2, e, m) how far the level is then
        expected to be above the explanation's; (2, e, m) the share, 0 to 1, of an observed level's
        information.
    """
    spread = np.sqrt(likelihood.variance[:, :1, at])
    above = (likelihood.expected[0][:, at] - threshold) / spread
    chance = np.maximum(ndtr(above), 1e-12)
    mills = np.exp(-0.5 * above * above) / (np.sqrt(2 * np.pi) * chance)
    log = likelihood.contrast_log[:, :, at] + np.log(spread)
    weights = np.exp(log - log.max(axis=(0, 1))) * chance * likelihood.weight[:, at]
    return weights, spread * mills, np.clip(mills * (mills + above), 0.0, 1.0)


def update(
    tables: HypothesisTables, prior: Belief, observation: Observation, likelihood: Likelihood
) -> tuple[Belief, Floats]:
    """Return the filtered belief, and the posterior probability (e, n) of each explanation of the form."""
    weights = _explanation_weights(likelihood, observation.channels[0])
    h = tables.hypotheses
    top = np.nonzero(observation.at_top)[0]
    if top.size:
        threshold = 1 - 0.5 * observation.step[top]
        weights[:, :, top], excess, known_share = _censored(likelihood, threshold, top)
    weights /= pairwise_sum(weights[0] + weights[1])
    posterior = weights[0] + weights[1]

    # The gains of the two kinds, mixed by how likely each is under each explanation.
    information = weights[0] * likelihood.precision[0][:, None]
    information += weights[1] * likelihood.precision[1][:, None]
    gap = observation.channels[:, None] - likelihood.expected
    pull = information * gap
    gap *= pull
    surprise = pairwise_sum(gap.swapaxes(0, 1))
    if top.size:
        by_kind = weights[:, :, top] * likelihood.precision[:, :1, top]
        pull[0][:, top] = pairwise_sum(by_kind * excess)
        information[0][:, top] = pairwise_sum(by_kind * known_share)
    # A bad day ends with its session: what it taught about the baseline joins the stable hypothesis.
    stable = posterior[0] + pairwise_sum(posterior[h:])
    stable_pull = pull[:, 0] + pairwise_sum(pull[:, h:].swapaxes(0, 1))
    weight = np.concatenate([stable[None], posterior[1:h]])
    mean = np.concatenate([stable_pull[:, None], pull[:, 1:h]], axis=1)
    mean *= prior.variance[:, None]
    mean /= np.maximum(weight, _LEAST_CHANCE)
    mean += prior.mean
    shrink = prior.variance * prior.variance
    variance = prior.variance - shrink * pairwise_sum(information.swapaxes(0, 1))
    noise = _learn_noise(tables, prior, observation, likelihood.variance[0], surprise)
    return Belief(weight, mean, variance, noise), posterior


def _learn_noise(
    tables: HypothesisTables, prior: Belief, observation: Observation, variance: Floats, surprise: Floats
) -> Floats:
    """Return the session noise (3, n) after the form: it grows where the form surprised more than expected.

    `surprise` (3, n) is each channel's squared gap in variances, 1 where the form is as expected.
    """
    responsible = channel_noise(prior.noise) / variance
    rate = 1 / (tables.settings.noise_weight + prior.noise[2])
    factor = 1 + rate * responsible * (np.minimum(surprise, _MOST_SURPRISE) - 1)
    low, high = NOISE_RANGE
    learns = observation.rated & ~observation.at_top
    level = np.where(learns, prior.noise[0] * factor[0], prior.noise[0])
    contrast = prior.noise[1] * 0.5 * (factor[1] + factor[2])
    return np.stack([np.clip(level, low, high), np.clip(contrast, low, high), prior.noise[2] + learns])
