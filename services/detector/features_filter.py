"""A belief about each dyad in, the belief one session later out: an interacting-multiple-model filter.

Per hypothesis a Kalman filter holds the baseline and the autocorrelated part of each channel; their variances
are shared by all hypotheses, which differ in their means only. Every operation is elementwise or a sum
along the last, contiguous axis, so that a dyad's numbers do not depend on the batch it is in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.features_hypotheses import Tables

Floats = NDArray[np.float64]

BASELINE, CARRIED = 0, 1
_CONTRAST_SCALE = np.array([1.5, 2.0])
"""Variance of the two contrasts of components with independent noise of variance 1."""


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of n dyads; h hypotheses, 3 channels."""

    weight: Floats
    """(n, h) P(hypothesis); sums to 1."""
    mean: Floats
    """(n, 2, 3, h) baseline and carried part of each channel."""
    variance: Floats
    """(n, 3, 3) per channel: of the baseline, of both together, of the carried part."""
    noise: Floats
    """(n, 3) session noise variance of level and contrasts, and how many sessions it rests on."""


def start(tables: Tables, n: int) -> Belief:
    """The belief about n clients of whom nothing is known."""
    settings = tables.settings
    h = tables.hypotheses
    weight = np.zeros((n, h))
    weight[:, 0] = 1.0
    mean = np.zeros((n, 2, 3, h))
    mean[:, BASELINE] = np.array(settings.usual)[:, None]
    variance = np.zeros((n, 3, 3))
    variance[:, :, 0] = settings.usual_variance
    noise = np.tile([settings.noise, settings.contrast_noise, 0.0], (n, 1))
    variance[:, :, 2] = channel_noise(noise)
    return Belief(weight, mean, variance, noise)


def channel_noise(noise: Floats) -> Floats:
    """(n, 3) variance of the session noise of each channel from `Belief.noise`."""
    return np.concatenate([noise[:, :1], noise[:, 1:2] * _CONTRAST_SCALE], axis=1)


def predict(tables: Tables, belief: Belief, first: NDArray[np.bool_]) -> Belief:
    """The belief one session later, before its form; `first` (n,) where it is the first session."""
    settings, depths = tables.settings, tables.depths
    onset = np.where(first, settings.onset_first, settings.onset)[:, None]
    usual, rupture = belief.weight[:, :1], belief.weight[:, 1:]
    repaired = settings.repair * rupture
    begun = onset * usual * tables.onset
    # Nothing climbs into the lowest depth of a pattern, and nothing eases into its deepest.
    climbed, eased = np.empty_like(begun), np.empty_like(begun)
    climbed[:, 1:] = settings.climb * rupture[:, :-1]
    climbed[:, ::depths] = 0.0
    eased[:, :-1] = settings.ease * rupture[:, 1:]
    eased[:, depths - 1 :: depths] = 0.0
    stayed = tables.stay * rupture
    now_usual = (1 - onset) * usual + repaired.sum(axis=1, keepdims=True)
    now_rupture = begun + climbed + eased + stayed
    weight = np.concatenate([now_usual, now_rupture], axis=1)

    of_usual, of_rupture = belief.mean[..., :1], belief.mean[..., 1:]
    share = 1 / np.maximum(now_rupture, 1e-300)
    mean = np.empty_like(belief.mean)
    mixed = mean[..., 1:]
    np.multiply((begun * share)[:, None, None], of_usual, out=mixed)
    mixed[..., 1:] += (climbed * share)[:, None, None, 1:] * of_rupture[..., :-1]
    mixed[..., :-1] += (eased * share)[:, None, None, :-1] * of_rupture[..., 1:]
    mixed += (stayed * share)[:, None, None] * of_rupture
    back = (repaired / now_usual)[:, None, None] * of_rupture
    kept = ((1 - onset) * usual / now_usual)[:, None, None] * of_usual
    mean[..., :1] = kept + back.sum(axis=-1, keepdims=True)
    mean[:, CARRIED] *= settings.carry
    mean[:, BASELINE, 0] += settings.drift
    variance = belief.variance.copy()
    variance[:, :, 0] += settings.wander
    variance[:, :, 1] *= settings.carry
    innovation = (1 - settings.carry**2) * channel_noise(belief.noise)
    variance[:, :, 2] = settings.carry**2 * variance[:, :, 2] + innovation
    return Belief(weight, mean, variance, belief.noise)
