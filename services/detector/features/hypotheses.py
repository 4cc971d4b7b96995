"""Defines the filter's hypotheses about a session and the tables of how they follow one another.

A session is *stable*, a *bad day* (low once, for reasons other than a rupture) or in a *rupture*: one of
seven patterns (which components fell) at one of several depths. A slow slide goes through the depths in turn.
Bond, goal and task are rotated to three channels, whose noise is nearly independent: the level, bond against
the others, and goal against task.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PATTERNS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
"""Which of bond, goal and task fell: one of them, two of them, all."""

CHANNELS_FROM_COMPONENTS = np.array([[1 / 3, 1 / 3, 1 / 3], [1.0, -0.5, -0.5], [0.0, 1.0, -1.0]])
COMPONENTS_FROM_CHANNELS = np.array([[1.0, 2 / 3, 0.0], [1.0, -1 / 3, 0.5], [1.0, -1 / 3, -0.5]])


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """The filter's fixed parameters: variances on the common scale 0 to 1, probabilities per session.

    The defaults were searched for the best log loss of the filter's own probabilities on cohorts drawn from
    the training priors, as long as the whole model gained by it; frequencies in them also stand in for what
    the filter does not model.
    """

    depths: tuple[float, ...] = (0.08, 0.18, 0.34)
    depth_shares: tuple[float, ...] = (0.36, 0.42, 0.22)
    pattern_shares: tuple[float, ...] = (0.06, 0.11, 0.11, 0.14, 0.14, 0.19, 0.25)
    onset: float = 0.076
    """P(a rupture begins) at a session after a stable one."""
    onset_first: float = 0.0006
    """The same at the first session, where a low mark is the client's level far more often than a rupture."""
    repair: float = 0.29
    deepen: float = 0.06
    """P(the rupture moves to the next depth)."""
    ease: float = 0.02
    """P(the rupture moves back to the depth before)."""
    bad_day: float = 0.05
    bad_day_pattern_shares: tuple[float, ...] = (0.05, 0.05, 0.05, 0.11, 0.11, 0.11, 0.52)
    outlier: float = 0.21
    outlier_spread: float = 8.0
    """Variance that an outlier adds, in session noise variances."""
    drift: float = 0.004
    """Rise of the level per session."""
    baseline_walk: tuple[float, float, float] = (4.2e-4, 1.2e-4, 1.2e-4)
    """Variance of the random walk of each channel's baseline, per session."""
    baseline_mean: tuple[float, float, float] = (0.78, 0.03, -0.03)
    baseline_variance: tuple[float, float, float] = (0.04, 0.016, 0.016)
    noise: float = 0.0034
    """Variance of the level's session noise before anything is known of a client."""
    contrast_noise: float = 0.0020
    """Variance of the session noise of one component against the others."""
    noise_weight: float = 2.0
    """Number of sessions that the prior noise counts for."""
    item_variance: float = 0.008
    item_weight: float = 12.0
    """Number of items that the prior item variance counts for."""
    declined_ratio: float = 1.7
    """P(declined | rupture) over P(declined | stable)."""
    given_ratio: float = 0.94
    """P(form given | rupture) over P(form given | stable)."""


@dataclass(frozen=True, slots=True)
class HypothesisTables:
    """Settings laid out over the hypotheses: stable, then patterns times depths, depth running fastest."""

    settings: FilterSettings
    depths: int
    shift: Floats
    """(3 channels, hypotheses) how far each channel is below the baseline."""
    drop: Floats
    """(3 components, hypotheses) how far bond, goal and task are below the baseline."""
    onset: Floats
    """(patterns x depths) P(which rupture | one begins)."""
    bad_day: Floats
    """(patterns x depths) P(which drop | bad day)."""
    stay: Floats
    """(patterns x depths) P(same pattern and depth at the next session)."""
    group_shift: Floats
    """(sizes x depths) how far the level is below the baseline when one, two or three components fell."""

    @property
    def groups(self) -> int:
        """Number of pattern sizes times depths."""
        return self.group_shift.size

    @property
    def hypotheses(self) -> int:
        """Number of hypotheses: stable, and each pattern at each depth."""
        return 1 + len(PATTERNS) * self.depths


def hypothesis_tables(settings: FilterSettings) -> HypothesisTables:
    """Return the tables of a filter.

    >>> hypothesis_tables(FilterSettings()).hypotheses
    22
    """
    depths = np.array(settings.depths)
    patterns = np.array(PATTERNS, dtype=np.float64)
    drops = patterns.T[:, :, None] * depths
    drop = np.concatenate([np.zeros((3, 1)), drops.reshape(3, -1)], axis=1)
    shift = np.einsum("kc,ch->kh", CHANNELS_FROM_COMPONENTS, drop)
    depth_shares = np.array(settings.depth_shares)
    stay = np.full(depths.size, 1 - settings.repair - settings.deepen - settings.ease)
    stay[-1] += settings.deepen
    stay[0] += settings.ease
    return HypothesisTables(
        settings=settings,
        depths=depths.size,
        shift=np.ascontiguousarray(shift),
        drop=drop,
        onset=np.outer(settings.pattern_shares, depth_shares).ravel(),
        bad_day=np.outer(settings.bad_day_pattern_shares, depth_shares).ravel(),
        stay=np.tile(stay, len(PATTERNS)),
        group_shift=np.outer([1 / 3, 2 / 3, 1.0], depths).ravel(),
    )
