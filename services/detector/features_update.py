"""A belief and a form in, the belief after the form out: every explanation is weighed by how well it fits.

Explanations are the hypotheses (usual, then ruptures) and after them the bad days; each may have been
ordinary or an outlier.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.detector.features_filter import BASELINE, CARRIED, Belief, channel_noise
from services.detector.features_hypotheses import Tables
from services.detector.features_observe import Seen

Floats = NDArray[np.float64]

NOISE_RANGE = (2e-4, 4e-2)
"""Bounds of the variance of a client's session noise."""
_LEAST_CHANCE = 1e-200
_MOST_SURPRISE = 6.0
"""Beyond this many times its variance a form teaches no more about the noise."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well each explanation fits the forms of n dyads; e explanations, 2 kinds: ordinary and outlying."""

    weight: Floats
    """(n, e) P(explanation) before the form; what declining or giving it says is included."""
    expected: Floats
    """(n, 3, e) the channels each explanation expects."""
    variance: Floats
    """(n, 2, 3) variance of the channels around them, by kind."""
    contrast_log: Floats
    """(n, 2, e) log likelihood of the contrasts and of the kind."""


def fit_form(tables: Tables, prior: Belief, seen: Seen) -> Fit:
    """How well each explanation fits the form, its level still left out."""
    settings = tables.settings
    expected = prior.mean[:, BASELINE] + prior.mean[:, CARRIED]
    bad_days = expected[:, :, :1] - tables.shift[:, 1:]
    expected = np.concatenate([expected - tables.shift, bad_days], axis=2)
    usual = prior.weight[:, :1]
    ratio = np.where(seen.declined, settings.declined_ratio, settings.given_ratio)
    weight = np.concatenate(
        [
            (1 - settings.bad_day) * usual,
            prior.weight[:, 1:] * ratio[:, None],
            settings.bad_day * usual * tables.bad_day,
        ],
        axis=1,
    )
    own = prior.variance[:, :, 0] + 2 * prior.variance[:, :, 1] + prior.variance[:, :, 2]
    ordinary = own + seen.noise
    outlying = ordinary + settings.outlier_spread * channel_noise(prior.noise)
    variance = np.stack([ordinary, outlying], axis=1)
    gap = seen.channels[:, 1:, None] - expected[:, 1:]
    gap *= gap
    first, second = variance[:, :, 1], variance[:, :, 2]
    log = -0.5 * (gap[:, None, 0] / first[:, :, None] + gap[:, None, 1] / second[:, :, None])
    kinds = np.log(np.array([1 - settings.outlier, settings.outlier]))
    log += (kinds - 0.5 * np.log(first * second * variance[:, :, 0]))[:, :, None]
    return Fit(weight, expected, variance, log)


def weigh(fit: Fit, level: Floats) -> Floats:
    """(n, 2, e) the explanations' unscaled probabilities, were the form's level at `level` (n,)."""
    gap = level[:, None] - fit.expected[:, 0]
    gap *= gap
    gap *= 0.5
    scaled: Floats = gap[:, None] / fit.variance[:, :, :1]
    np.subtract(fit.contrast_log, scaled, out=scaled)
    scaled -= greatest(scaled)[:, None, None]
    np.exp(scaled, out=scaled)
    scaled *= fit.weight[:, None]
    return scaled


def greatest(log: Floats) -> Floats:
    """(n,) the greatest of each dyad's numbers, (n, …)."""
    best: Floats = log.reshape(log.shape[0], -1).max(axis=1)
    return best


def _censored(fit: Fit, threshold: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """Tobit, for forms at the top: all they say is that the level is at least `threshold`.

    Returns: (m, 2, e) unscaled probabilities; (m, 2, e) how far the level then lies over the expected one;
        (m, 2, e) how much of a seen level's information that is, 0 to 1.
    """
    spread = np.sqrt(fit.variance[rows, :, :1])
    above = (fit.expected[rows, :1] - threshold[:, None, None]) / spread
    chance = np.maximum(ndtr(above), 1e-12)
    mills = np.exp(-0.5 * above * above) / (np.sqrt(2 * np.pi) * chance)
    log = fit.contrast_log[rows] + np.log(spread)
    weights = np.exp(log - greatest(log)[:, None, None]) * chance * fit.weight[rows, None]
    return weights, spread * mills, np.clip(mills * (mills + above), 0.0, 1.0)


def update(tables: Tables, prior: Belief, seen: Seen, fit: Fit) -> tuple[Belief, Floats]:
    """The belief after the form, and (n, e) the explanations' probabilities."""
    weights = weigh(fit, seen.channels[:, 0])
    h = tables.hypotheses
    top = np.nonzero(seen.at_top)[0]
    if top.size:
        weights[top], excess, told = _censored(fit, 1 - 0.5 * seen.step[top], top)
    weights /= weights.sum(axis=2).sum(axis=1)[:, None, None]
    posterior = weights[:, 0] + weights[:, 1]

    # Two gains, mixed by how likely the form is an outlier under each explanation.
    information = weights[:, 0, None] / fit.variance[:, 0, :, None]
    information += weights[:, 1, None] / fit.variance[:, 1, :, None]
    gap = seen.channels[:, :, None] - fit.expected
    pull = information * gap
    surprise = (pull * gap).sum(axis=2)
    if top.size:
        by_kind = weights[top] / fit.variance[top, :, :1]
        of_top = by_kind * excess
        pull[top, 0] = of_top[:, 0] + of_top[:, 1]
        of_top = by_kind * told
        information[top, 0] = of_top[:, 0] + of_top[:, 1]
    # Bad days are over with the session: what they taught joins the usual hypothesis.
    usual = posterior[:, 0] + posterior[:, h:].sum(axis=1)
    usual_pull = pull[:, :, 0] + pull[:, :, h:].sum(axis=2)
    weight = np.concatenate([usual[:, None], posterior[:, 1:h]], axis=1)
    joined = np.concatenate([usual_pull[:, :, None], pull[:, :, 1:h]], axis=2)
    joined /= np.maximum(weight, _LEAST_CHANCE)[:, None]
    to_baseline = prior.variance[:, :, 0] + prior.variance[:, :, 1]
    to_carried = prior.variance[:, :, 1] + prior.variance[:, :, 2]
    mean = np.empty_like(prior.mean)
    np.multiply(to_baseline[:, :, None], joined, out=mean[:, BASELINE])
    np.multiply(to_carried[:, :, None], joined, out=mean[:, CARRIED])
    mean += prior.mean
    shrink = np.stack([to_baseline * to_baseline, to_baseline * to_carried, to_carried * to_carried], axis=2)
    variance = prior.variance - shrink * information.sum(axis=2)[:, :, None]
    noise = _learn_noise(tables, prior, seen, fit.variance[:, 0], surprise)
    return Belief(weight, mean, variance, noise), posterior


def _learn_noise(tables: Tables, prior: Belief, seen: Seen, variance: Floats, surprise: Floats) -> Floats:
    """The session noise after the form: raised where the form surprised more than its variance allows.

    `surprise` (n, 3) is each channel's squared gap in variances, 1 where the form is as expected.
    """
    responsible = channel_noise(prior.noise) / variance
    rate = 1 / (tables.settings.noise_weight + prior.noise[:, 2])
    factor = 1 + rate[:, None] * responsible * (np.minimum(surprise, _MOST_SURPRISE) - 1)
    low, high = NOISE_RANGE
    learns = seen.rated & ~seen.at_top
    level = np.where(learns, prior.noise[:, 0] * factor[:, 0], prior.noise[:, 0])
    contrast = prior.noise[:, 1] * 0.5 * (factor[:, 1] + factor[:, 2])
    return np.stack(
        [np.clip(level, low, high), np.clip(contrast, low, high), prior.noise[:, 2] + learns], axis=1
    )
