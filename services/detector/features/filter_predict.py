"""A belief about each dyad in, the belief one session later out: an interacting-multiple-model filter.

Per hypothesis a Kalman filter holds the baseline of each channel; its variance is shared by all hypotheses,
which differ in their means only. Every operation is elementwise or one of `features_sums`, so that a dyad's
numbers do not depend on the batch it is in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.hypotheses import HypothesisTables

Floats = NDArray[np.float64]

_CONTRAST_SCALE = np.array([[1.5], [2.0]])
"""Variance of the two contrasts of components with independent noise of variance 1."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of n dyads; h hypotheses, 3 channels."""

    weight: Floats
    """(h, n) P(hypothesis); sums to 1."""
    mean: Floats
    """(3, h, n) baseline of each channel."""
    variance: Floats
    """(3, n) of the baseline of each channel."""
    noise: Floats
    """(3, n) session noise variance of level and contrasts, and how many sessions it rests on."""


def start(tables: HypothesisTables, n: int) -> Belief:
    """The belief about n clients of whom nothing is known."""
    settings = tables.settings
    h = tables.hypotheses
    weight = np.zeros((h, n))
    weight[0] = 1.0
    mean = np.empty((3, h, n))
    mean[:] = np.array(settings.usual)[:, None, None]
    variance = np.empty((3, n))
    variance[:] = np.array(settings.usual_variance)[:, None]
    noise = np.empty((3, n))
    noise[:] = np.array([settings.noise, settings.contrast_noise, 0.0])[:, None]
    return Belief(weight, mean, variance, noise)


def channel_noise(noise: Floats) -> Floats:
    """(3, n) variance of the session noise of each channel from `Belief.noise`."""
    return np.concatenate([noise[:1], noise[1:2] * _CONTRAST_SCALE])


def predict(tables: HypothesisTables, belief: Belief, first: NDArray[np.bool_]) -> Belief:
    """The belief one session later, before its form; `first` (n,) where it is the first session."""
    settings, depths = tables.settings, tables.depths
    onset = np.where(first, settings.onset_first, settings.onset)
    usual, rupture = belief.weight[0], belief.weight[1:]
    repaired = settings.repair * rupture
    begun = tables.onset[:, None] * (onset * usual)
    # Nothing climbs into the lowest depth of a pattern, and nothing eases into its deepest.
    climbed, eased = np.empty_like(begun), np.empty_like(begun)
    climbed[1:] = settings.climb * rupture[:-1]
    climbed[::depths] = 0.0
    eased[:-1] = settings.ease * rupture[1:]
    eased[depths - 1 :: depths] = 0.0
    stayed = tables.stay[:, None] * rupture
    now_usual = (1 - onset) * usual + pairwise_sum(repaired)
    now_rupture = begun + climbed + eased + stayed
    weight = np.concatenate([now_usual[None], now_rupture])

    of_usual, of_rupture = belief.mean[:, :1], belief.mean[:, 1:]
    share = 1 / np.maximum(now_rupture, 1e-300)
    mean = np.empty_like(belief.mean)
    mixed = mean[:, 1:]
    np.multiply(begun * share, of_usual, out=mixed)
    mixed[:, 1:] += (climbed * share)[1:] * of_rupture[:, :-1]
    mixed[:, :-1] += (eased * share)[:-1] * of_rupture[:, 1:]
    mixed += (stayed * share) * of_rupture
    back = (repaired / now_usual) * of_rupture
    kept = ((1 - onset) * usual / now_usual) * of_usual[:, 0]
    mean[:, 0] = kept + pairwise_sum(back.swapaxes(0, 1))
    mean[0] += settings.drift
    wander = np.array(settings.wander)[:, None]
    return Belief(weight, mean, belief.variance + wander, belief.noise)
