"""Predicts each dyad's belief one session ahead: the prediction step of an interacting-multiple-model filter.

For each hypothesis a Kalman filter holds the baseline of each channel. All hypotheses share its variance and
differ in their means only (Blom and Bar-Shalom 1988). Every operation is elementwise or a `pairwise_sum`, so
that a dyad's numbers do not depend on its batch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.hypotheses import HypothesisTables

Floats = NDArray[np.float64]

_CONTRAST_SCALE = np.array([[1.5], [2.0]])
"""Variance of the two contrasts of components that have independent noise of variance 1."""


@dataclass(frozen=True, slots=True)
class Belief:
    """The distribution over hypotheses and baselines of n dyads; h hypotheses, 3 channels."""

    weight: Floats
    """(h, n) P(hypothesis); sums to 1."""
    mean: Floats
    """(3, h, n) mean of the baseline of each channel."""
    variance: Floats
    """(3, n) variance of the baseline of each channel."""
    noise: Floats
    """(3, n) session noise variance of level and contrasts, and the number of sessions it rests on."""


def initial_belief(tables: HypothesisTables, n: int) -> Belief:
    """Return the prior belief about n clients without a session."""
    settings = tables.settings
    h = tables.hypotheses
    weight = np.zeros((h, n))
    weight[0] = 1.0
    mean = np.empty((3, h, n))
    mean[:] = np.array(settings.baseline_mean)[:, None, None]
    variance = np.empty((3, n))
    variance[:] = np.array(settings.baseline_variance)[:, None]
    noise = np.empty((3, n))
    noise[:] = np.array([settings.noise, settings.contrast_noise, 0.0])[:, None]
    return Belief(weight, mean, variance, noise)


def channel_noise(noise: Floats) -> Floats:
    """Return the variance (3, n) of each channel's session noise, from `Belief.noise`."""
    return np.concatenate([noise[:1], noise[1:2] * _CONTRAST_SCALE])


def predict(tables: HypothesisTables, belief: Belief, first: NDArray[np.bool_]) -> Belief:
    """Return the belief about the next session, before its form.

    Args:
        tables: the filter's tables.
        belief: the filtered belief after the last session.
        first: (n,) whether the next session is the client's first.
    """
    settings, depths = tables.settings, tables.depths
    onset = np.where(first, settings.onset_first, settings.onset)
    stable, rupture = belief.weight[0], belief.weight[1:]
    repaired = settings.repair * rupture
    begun = tables.onset[:, None] * (onset * stable)
    # A pattern's lowest depth is reached by no deepening, and its greatest by no easing.
    deepened, eased = np.empty_like(begun), np.empty_like(begun)
    deepened[1:] = settings.deepen * rupture[:-1]
    deepened[::depths] = 0.0
    eased[:-1] = settings.ease * rupture[1:]
    eased[depths - 1 :: depths] = 0.0
    stayed = tables.stay[:, None] * rupture
    next_stable = (1 - onset) * stable + pairwise_sum(repaired)
    next_rupture = begun + deepened + eased + stayed
    weight = np.concatenate([next_stable[None], next_rupture])

    # The means are mixed in proportion to where each hypothesis's weight comes from.
    of_stable, of_rupture = belief.mean[:, :1], belief.mean[:, 1:]
    share = 1 / np.maximum(next_rupture, 1e-300)
    mean = np.empty_like(belief.mean)
    mixed = mean[:, 1:]
    np.multiply(begun * share, of_stable, out=mixed)
    mixed[:, 1:] += (deepened * share)[1:] * of_rupture[:, :-1]
    mixed[:, :-1] += (eased * share)[:-1] * of_rupture[:, 1:]
    mixed += (stayed * share) * of_rupture
    from_rupture = (repaired / next_stable) * of_rupture
    from_stable = ((1 - onset) * stable / next_stable) * of_stable[:, 0]
    mean[:, 0] = from_stable + pairwise_sum(from_rupture.swapaxes(0, 1))
    mean[0] += settings.drift
    walk = np.array(settings.baseline_walk)[:, None]
    return Belief(weight, mean, belief.variance + walk, belief.noise)
