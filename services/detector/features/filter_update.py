"""A belief and a form in, the belief after the form out: every explanation is weighed by how well it fits.

Explanations are the hypotheses (usual, then ruptures) and after them the bad days; each may have been
ordinary or an outlier.
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
"""Beyond this many times its variance a form teaches no more about the noise."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How well each explanation fits the forms of n dyads; e explanations, 2 kinds: ordinary and outlying."""

    weight: Floats
    """(e, n) P(explanation) before the form; what declining or giving it says is included."""
    expected: Floats
    """(3, e, n) the channels each explanation expects."""
    variance: Floats
    """(2, 3, n) variance of the channels around them, by kind."""
    precision: Floats
    """(2, 3, n) one over it: multiplying by it takes a fraction of the time of dividing."""
    contrast_log: Floats
    """(2, e, n) log likelihood of the contrasts and of the kind."""


def form_likelihood(tables: HypothesisTables, prior: Belief, seen: Observation) -> Likelihood:
    """How well each explanation fits the form, its level still left out."""
    settings, h = tables.settings, tables.hypotheses
    n = seen.rated.size
    expected = np.empty((3, 2 * h - 1, n))
    np.subtract(prior.mean, tables.shift[:, :, None], out=expected[:, :h])
    np.subtract(prior.mean[:, :1], tables.shift[:, 1:, None], out=expected[:, h:])
    usual = prior.weight[0]
    weight = np.empty((2 * h - 1, n))
    weight[0] = (1 - settings.bad_day) * usual
    ratio = np.where(seen.declined, settings.declined_ratio, settings.given_ratio)
    np.multiply(prior.weight[1:], ratio, out=weight[1:h])
    np.multiply(settings.bad_day * usual, tables.bad_day[:, None], out=weight[h:])
    noise = channel_noise(prior.noise)
    ordinary = prior.variance + noise + seen.noise
    variance = np.stack([ordinary, ordinary + settings.outlier_spread * noise])
    precision = 1 / variance
    gap = seen.channels[1:, None] - expected[1:]
    gap *= gap
    gap *= -0.5
    log = gap[0] * precision[:, 1, None]
    log += gap[1] * precision[:, 2, None]
    kinds = np.log(np.array([[1 - settings.outlier], [settings.outlier]]))
    log += (kinds - 0.5 * np.log(variance[:, 0] * variance[:, 1] * variance[:, 2]))[:, None]
    return Likelihood(weight, expected, variance, precision, log)


def weigh(fit: Likelihood, level: Floats) -> Floats:
    """(2, e, n) the explanations' unscaled probabilities, were the form's level at `level` (n,)."""
    gap = level - fit.expected[0]
    gap *= gap
    gap *= -0.5
    scaled: Floats = gap * fit.precision[:, 0, None]
    scaled += fit.contrast_log
    scaled -= scaled.max(axis=(0, 1))
    np.exp(scaled, out=scaled)
    scaled *= fit.weight
    return scaled


def _censored(fit: Likelihood, threshold: Floats, at: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """Tobit, for forms at the top: all they say is that the level is at least `threshold`.

    Returns: (2, e, m) unscaled probabilities; (2, e, m) how far the level then lies over the expected one;
        (2, e, m) how much of a seen level's information that is, 0 to 1.
    """
    spread = np.sqrt(fit.variance[:, :1, at])
    above = (fit.expected[0][:, at] - threshold) / spread
    chance = np.maximum(ndtr(above), 1e-12)
    mills = np.exp(-0.5 * above * above) / (np.sqrt(2 * np.pi) * chance)
    log = fit.contrast_log[:, :, at] + np.log(spread)
    weights = np.exp(log - log.max(axis=(0, 1))) * chance * fit.weight[:, at]
    return weights, spread * mills, np.clip(mills * (mills + above), 0.0, 1.0)


def update(
    tables: HypothesisTables, prior: Belief, seen: Observation, fit: Likelihood
) -> tuple[Belief, Floats]:
    """The belief after the form, and (e, n) the explanations' probabilities."""
    weights = weigh(fit, seen.channels[0])
    h = tables.hypotheses
    top = np.nonzero(seen.at_top)[0]
    if top.size:
        weights[:, :, top], excess, told = _censored(fit, 1 - 0.5 * seen.step[top], top)
    weights /= pairwise_sum(weights[0] + weights[1])
    posterior = weights[0] + weights[1]

    # Two gains, mixed by how likely the form is an outlier under each explanation.
    information = weights[0] * fit.precision[0][:, None]
    information += weights[1] * fit.precision[1][:, None]
    gap = seen.channels[:, None] - fit.expected
    pull = information * gap
    gap *= pull
    surprise = pairwise_sum(gap.swapaxes(0, 1))
    if top.size:
        by_kind = weights[:, :, top] * fit.precision[:, :1, top]
        pull[0][:, top] = pairwise_sum(by_kind * excess)
        information[0][:, top] = pairwise_sum(by_kind * told)
    # Bad days are over with the session: what they taught joins the usual hypothesis.
    usual = posterior[0] + pairwise_sum(posterior[h:])
    usual_pull = pull[:, 0] + pairwise_sum(pull[:, h:].swapaxes(0, 1))
    weight = np.concatenate([usual[None], posterior[1:h]])
    mean = np.concatenate([usual_pull[:, None], pull[:, 1:h]], axis=1)
    mean *= prior.variance[:, None]
    mean /= np.maximum(weight, _LEAST_CHANCE)
    mean += prior.mean
    shrink = prior.variance * prior.variance
    variance = prior.variance - shrink * pairwise_sum(information.swapaxes(0, 1))
    noise = _learn_noise(tables, prior, seen, fit.variance[0], surprise)
    return Belief(weight, mean, variance, noise), posterior


def _learn_noise(
    tables: HypothesisTables, prior: Belief, seen: Observation, variance: Floats, surprise: Floats
) -> Floats:
    """The session noise after the form: raised where the form surprised more than its variance allows.

    `surprise` (3, n) is each channel's squared gap in variances, 1 where the form is as expected.
    """
    responsible = channel_noise(prior.noise) / variance
    rate = 1 / (tables.settings.noise_weight + prior.noise[2])
    factor = 1 + rate * responsible * (np.minimum(surprise, _MOST_SURPRISE) - 1)
    low, high = NOISE_RANGE
    learns = seen.rated & ~seen.at_top
    level = np.where(learns, prior.noise[0] * factor[0], prior.noise[0])
    contrast = prior.noise[1] * 0.5 * (factor[1] + factor[2])
    return np.stack([np.clip(level, low, high), np.clip(contrast, low, high), prior.noise[2] + learns])
